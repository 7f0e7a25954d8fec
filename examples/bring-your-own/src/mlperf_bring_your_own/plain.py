"""A backend in twenty lines: ONNX Runtime with none of its settings but the threads."""

from importlib.metadata import version


class Plain:
    devices, formats, requirements, default = ("cpu",), ("onnx",), ("onnxruntime>=1.19",), False

    def load(self, file, model, device, threads, options):
        return PlainModel(str(file), model.graph, threads)

    def versions(self):
        return {"onnxruntime": version("onnxruntime")}


class PlainModel:
    device, concurrent, weight_types = "cpu", True, ()

    def __init__(self, file, graph, threads):
        from onnxruntime import InferenceSession, SessionOptions  # not where pytest imports this module

        options = SessionOptions()
        options.intra_op_num_threads = threads  # else it takes all cores, and one inference a core would be slow
        self.session = InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self.inputs = {tensor.name: tensor.in_file for tensor in graph.inputs}
        self.outputs, self.max_batch = [tensor.in_file for tensor in graph.outputs], graph.inputs[0].shape[0]

    def run(self, inputs, graph=""):
        return self.session.run(self.outputs, {self.inputs[name]: value for name, value in inputs.items()})

    def close(self):
        del self.session
