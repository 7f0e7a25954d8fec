"""ResNet-50's tiny edition in plain PyTorch."""
