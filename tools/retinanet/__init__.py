"""RetinaNet in plain PyTorch: the tiny edition that ships, and the official size for speed benches."""
