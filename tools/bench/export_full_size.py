"""Writes a RetinaNet of the official size with random weights: ``python tools/bench/export_full_size.py FILE``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from retinanet.export import export
from retinanet.official import official_size_model


def main() -> None:
    """Export the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    export(official_size_model(), parser.parse_args().file)


if __name__ == "__main__":
    main()
