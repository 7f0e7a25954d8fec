"""Interpreters, virtual environments and LoadGen builds: what a case's worker runs in."""
