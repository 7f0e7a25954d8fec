"""Write src/pytest_mlperf/data/digits.npz, the UCI optical digits, from scikit-learn's copy of them.

Changes only if the origin of the digits changes. Run once: ``python tools/extract_digits.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

TARGET = Path(__file__).parents[1] / "src" / "pytest_mlperf" / "data" / "digits.npz"


def main() -> None:
    digits = load_digits()
    images = digits.images.astype(np.uint8)
    labels = digits.target.astype(np.uint8)
    if images.shape != (1797, 8, 8) or images.max() != 16 or not np.array_equal(images, digits.images):
        raise SystemExit(f"unexpected digits: {images.shape}, {images.max()}")
    np.savez_compressed(TARGET, images=images, labels=labels)
    print(f"{TARGET}: {len(labels)} digits, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
