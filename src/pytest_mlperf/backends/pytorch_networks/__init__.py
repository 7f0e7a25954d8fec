"""The networks whose weights are published as state dicts, by the names of those: nothing but PyTorch is needed."""
