"""Data sets: one module a data set or a format, from files on disk to what a model reads."""
