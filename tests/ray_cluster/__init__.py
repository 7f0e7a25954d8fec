"""The implementation ray."""
