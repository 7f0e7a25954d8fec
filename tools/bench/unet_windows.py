"""How fast the windows of 3D-UNet become classes, without the network: ours against the reference's loop.

Run it with ``python tools/bench/unet_windows.py``; it makes its own volume, and scores that are the same for every
window. The two ways take turns in one process, and have to give the same classes.

Both hand each window to a network that needs it in one piece, as ONNX Runtime does, and that answers with constants.

The plain loop is the reference's: for each window it weights the scores, adds them, and adds the weights to a map as
large as the scores; then it divides, and takes the argmax. Ours adds the weights once for volumes of every size, works
in blocks that a core's cache holds, and compares three scores instead of searching an axis of three.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlperf.benchmarks.sliding_window import CLASSES, corners, segment, weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pytest_mlperf.benchmarks.sliding_window import Network

    Way = Callable[[], NDArray[np.uint8]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--window", type=int, default=128, help="side of the window (default: 128)")
    parser.add_argument("--strides", type=int, nargs=3, default=(3, 4, 4), help="sides of the volume, in half windows")
    parser.add_argument("--rounds", type=int, default=5, help="how often each way is timed (default: 5)")
    arguments = parser.parse_args()
    window = arguments.window
    random = np.random.default_rng(1)
    volume = random.normal(0, 1, [n * window // 2 for n in arguments.strides]).astype(np.float32)
    scores = random.normal(0, 1, (1, CLASSES, window, window, window)).astype(np.float32)
    report(volume, scores, window, arguments.rounds)


def report(volume: NDArray[np.float32], scores: NDArray[np.float32], window: int, rounds: int) -> None:
    """Print the seconds of both ways, and how many times one is as fast as the other."""

    def network(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        np.ascontiguousarray(windows)
        return scores

    ways: dict[str, Way] = {
        "plain loop": lambda: plain(network, volume, window),
        "ours": lambda: segment(network, [volume], window, 1)[0],
    }
    first, second = (way() for way in ways.values())
    if not np.array_equal(first, second):
        raise SystemExit("the two ways give other classes")
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.process_time()
            way()
            seconds[name].append(time.process_time() - start)
    count = sum(1 for _ in corners(volume.shape, window))
    print(f"{volume.shape}, {count} windows of {window}³, {rounds} rounds, seconds of CPU")
    for name, all_rounds in seconds.items():
        each = 1000 * median(all_rounds) / count
        print(f"{name:>11}: median {median(all_rounds):.3f}, best {min(all_rounds):.3f}, {each:.1f} ms a window")
    loop, own = seconds.values()
    print(f"ratio of the medians {median(loop) / median(own):.2f}, of the best {min(loop) / min(own):.2f}")


def plain(network: Network, volume: NDArray[np.float32], window: int) -> NDArray[np.uint8]:
    """Return the classes as the reference computes them."""
    total = np.zeros((1, CLASSES, *volume.shape), np.float32)
    norm = np.zeros_like(total)
    patch = weights(window)
    for corner in corners(volume.shape, window):
        z, y, x = (slice(at, at + window) for at in corner)
        total[..., z, y, x] += network(volume[None, None, z, y, x]) * patch
        norm[..., z, y, x] += patch
    total /= norm
    classes: NDArray[np.uint8] = np.argmax(total, axis=1).astype(np.uint8)[0]
    return classes


if __name__ == "__main__":
    main()
