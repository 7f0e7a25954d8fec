"""Data sets, one module each: where the samples come from and how a sample becomes a model's input."""
