"""The 3D-UNet of the tiny edition: network, training, export, score and calibration data."""
