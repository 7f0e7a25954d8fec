"""A backend in twenty lines: ONNX Runtime with none of its settings."""

from importlib.metadata import version


class Plain:
    devices, formats, requirements, default = ("cpu",), ("onnx",), ("onnxruntime>=1.19",), False

    def load(self, file, model, device, threads, options):
        return PlainModel(str(file), model.graph)

    def versions(self):
        return {"onnxruntime": version("onnxruntime")}


class PlainModel:
    device, concurrent, weight_types = "cpu", True, ()

    def __init__(self, file, graph):
        from onnxruntime import InferenceSession  # not where pytest imports this module

        self.session = InferenceSession(file, providers=["CPUExecutionProvider"])
        self.inputs = {tensor.name: tensor.in_file for tensor in graph.inputs}
        self.outputs = [tensor.in_file for tensor in graph.outputs]
        self.max_batch = graph.inputs[0].shape[0]

    def run(self, inputs, graph=""):
        return self.session.run(self.outputs, {self.inputs[name]: value for name, value in inputs.items()})

    def close(self):
        del self.session
