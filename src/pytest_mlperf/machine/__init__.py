"""The machine: its hardware, what a run may use of it, and what else happened on it meanwhile."""
