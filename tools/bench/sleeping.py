"""A function that sleeps and returns its input, as a backend for `find_peak.py` on a machine that is not quiet."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

#: So long that what the kernel and other programs add is little beside it.
SECONDS = 0.02


def sleeps(inputs: Mapping[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Return the input, after a while."""
    time.sleep(SECONDS)
    return [inputs["x"]]


sleeps.max_batch, sleeps.concurrent = 1, True  # type: ignore[attr-defined]
