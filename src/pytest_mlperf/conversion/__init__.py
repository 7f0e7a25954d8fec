"""Makes a model's file for another runtime from its ONNX file: each script is run with the Python of its tool."""
