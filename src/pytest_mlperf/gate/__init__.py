"""Compares results: whether a figure got worse, and how certain that is."""
