"""A tensor's name without what converters of TensorFlow's formats put around it."""

from __future__ import annotations

import re

#: ``serving_default_images:0``, ``ArgMax__0``, ``logits_dequantized_output``.
_AROUND = re.compile(r"^serving_default_|((:|__)\d+)?(_dequantized_output)?$")


def plain_name(name: str) -> str:
    """Return the name alone: ``images``, ``ArgMax``, ``logits``."""
    return _AROUND.sub("", name)
