"""The implementations: what feeds LoadGen, one file each."""
