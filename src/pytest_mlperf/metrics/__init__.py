"""Accuracy: LoadGen's accuracy log, and one module for each metric that scores it."""
