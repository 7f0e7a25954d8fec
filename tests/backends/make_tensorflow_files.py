"""Writes small files of TensorFlow's formats with the official ones' names and layouts; run where it is installed.

Argument: the directory. ``resnet50_v1.pb``: ``input_tensor:0`` to ``ArgMax:0``, channels last. ``scores.tflite``: the
scores of all classes. ``edgetpu.tflite``: the same with uint8 inputs and outputs. ``fixed.tflite``: for a batch of 2
alone. ``plain``: a SavedModel without a signature.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

SIZE, CLASSES = 224, 1001


def answers(image: Any) -> Any:
    """Return scores of classes that depend on the colours."""
    colours = tf.reduce_mean(tf.nn.avg_pool2d(image, 56, 56, "VALID"), (1, 2))
    weights = np.eye(3, CLASSES, 5, np.float32)
    return tf.nn.softmax(tf.matmul(colours, weights) / 10)


def fixed(image: Any) -> Any:
    """Return the same, for two halves of a batch."""
    return tf.concat([answers(half) for half in tf.split(image, 2)], 0)


def pixels(batch: int | None) -> Any:
    return tf.TensorSpec((batch, SIZE, SIZE, 3), tf.float32, "input_tensor")


def write_frozen(target: Path) -> None:
    serve = tf.function(lambda image: tf.argmax(answers(image), 1, name="ArgMax"), input_signature=[pixels(None)])
    frozen = convert_variables_to_constants_v2(serve.get_concrete_function())
    target.write_bytes(frozen.graph.as_graph_def().SerializeToString())


def write_tflite(target: Path, batch: int, function: Any = answers, *, quantised: bool = False) -> None:
    concrete = tf.function(function, input_signature=[pixels(batch)]).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    if quantised:
        random = np.random.default_rng(1)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [random.uniform(-124, 151, (batch, SIZE, SIZE, 3)).astype(np.float32)] for _ in range(4)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    target.write_bytes(converter.convert())


if __name__ == "__main__":
    place = Path(sys.argv[1])
    write_frozen(place / "resnet50_v1.pb")
    write_tflite(place / "scores.tflite", 1)
    write_tflite(place / "edgetpu.tflite", 1, quantised=True)
    write_tflite(place / "fixed.tflite", 2, fixed)
    tf.saved_model.save(tf.Module(), str(place / "plain"))
