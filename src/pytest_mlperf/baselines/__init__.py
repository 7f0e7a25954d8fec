"""Stored results, and how a later run stands to them."""
