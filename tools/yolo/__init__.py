"""The anchor-free detector of the tiny edition in plain PyTorch: network, training, export, calibration."""
