"""Write the int8 form of a .tflite file; run by tools/convert_tiny.py with the Python of ai-edge-quantizer.

Arguments: the file, an .npz with calibration samples by the names of its inputs, the file to write, and the operators
that compute in int8. Quantised are these alone, with a scale for each channel of the weights; what lies between them
stays in float32, such as the tensor of a detector that has all levels, for which one scale is too coarse.
"""

from __future__ import annotations

import sys

import numpy as np
from ai_edge_quantizer import qtyping, quantizer


def main(model: str, samples: str, target: str, operators: list[str]) -> None:
    work = quantizer.Quantizer(model)
    for name in operators:
        operator = getattr(qtyping.TFLOperationName, name)
        work.add_static_config(regex=".*", operation_name=operator, activation_num_bits=8, weight_num_bits=8)
    with np.load(samples, allow_pickle=False) as file:
        values = {name: file[name] for name in file.files}
    count = len(next(iter(values.values())))
    feeds = [{name: value[index : index + 1] for name, value in values.items()} for index in range(count)]
    work.quantize(work.calibrate({"serving_default": feeds})).export_model(target, overwrite=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
