"""Accuracy: LoadGen's accuracy log, and one module a metric that scores it."""
