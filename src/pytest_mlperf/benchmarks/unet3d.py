"""3D-UNet, kidneys and tumours in CT volumes: the official network on KiTS19, and a tiny edition on generated ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_mlperf.artifacts.remote import FileRecipe
from pytest_mlperf.artifacts.sources import RemoteFile
from pytest_mlperf.benchmarks.base import Benchmark, FirstToken, Graph, ModelFile, Records, Remote, Short, Tensor
from pytest_mlperf.benchmarks.pytorch_files import pytorch_file
from pytest_mlperf.benchmarks.tiny import TinyReference
from pytest_mlperf.datasets.volumes import Kits19, PhantomVolumes
from pytest_mlperf.metrics.mean_dice import MeanDice
from pytest_mlperf.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Model

    Sample = Mapping[str, NDArray[np.float32]]

SCENARIOS = ("Offline", "SingleStream")
#: The variant of a model file that takes one window at a time.
BATCH_1 = "batch-1"
#: The input and the sample's only entry.
INPUT = "input"


def window_graph(side: int, batch: int | None) -> Graph:
    """Return the graph of a network for windows: scores of background, kidney and tumour for each voxel."""
    return Graph(
        inputs=(Tensor(INPUT, "float32", (batch, 1, side, side, side)),),
        outputs=(Tensor("output", "float32", (batch, 3, side, side, side)),),
    )


@dataclass(frozen=True, kw_only=True)
class UNet3D(Benchmark):
    """Segmentation of volumes by a window that slides over them, scored as the mean Dice coefficient.

    Attributes
    ----------
    window
        The side of the window, in voxels; it moves by half of that.
    most_windows
        The most windows in one call of the model, of one or of several volumes.
    """

    window: int
    most_windows: int

    def cost(self, sample: Sample) -> float:
        """Return the number of windows of a volume."""
        windows = 1
        for side in sample[INPUT].shape:
            windows *= 2 * side // self.window - 1
        return windows

    def answer(self, model: Model, samples: Sequence[Any], indices: Sequence[int], first: FirstToken) -> Records:
        """Return a class for each voxel, uint8, the last axis fastest."""
        from pytest_mlperf.benchmarks.sliding_window import segment

        del indices, first

        def network(windows: NDArray[np.float32]) -> NDArray[np.float32]:
            return model.run({INPUT: windows})[0]

        volumes = [sample[INPUT] for sample in samples]
        batch = min(model.max_batch or self.most_windows, self.most_windows)
        return Records.ragged(segment(network, volumes, self.window, batch))


ZENODO = "https://zenodo.org/record/5597155/files"
#: The published files of the official model, by format and variant. Addresses and MD5 are those of MLCommons'
#: automation (get-ml-model-3d-unet-kits19); nobody states a checksum of the file for one window.
PUBLISHED: Mapping[tuple[str, str], RemoteFile] = {
    ("onnx", ""): RemoteFile(
        "3dunet_kits19_128x128x128_dynbatch.onnx",
        (f"{ZENODO}/3dunet_kits19_128x128x128_dynbatch.onnx?download=1",),
        md5="82f0618fde78f9839e7c712274019b4a",
    ),
    ("onnx", BATCH_1): RemoteFile(
        "3dunet_kits19_128x128x128.onnx", (f"{ZENODO}/3dunet_kits19_128x128x128.onnx?download=1",)
    ),
    ("pytorch", ""): RemoteFile(
        "3dunet_kits19_pytorch.ptc",
        (f"{ZENODO}/3dunet_kits19_pytorch.ptc?download=1",),
        md5="2251109371f408c9f10a4320ffdcaef8",
    ),
}


def official_models(published: Mapping[tuple[str, str], RemoteFile]) -> tuple[ModelFile, ...]:
    """Return the model files that are published, by format and variant."""
    return tuple(
        ModelFile(
            form,
            "fp32",
            Remote(
                FileRecipe(file, f"3d-unet {form} fp32 {variant}".strip()),
                file.name,
                "about 120 MB",
                120_000_000,
                "--model-path FILE",
            ),
            (window_graph(128, 1 if variant == BATCH_1 else None),),
            variant,
        )
        for (form, variant), file in published.items()
    )


KITS19 = Kits19("KiTS19", 128)
OFFICIAL_99 = UNet3D(
    edition="official",
    official_name="3d-unet-99",
    loadgen_model="3d-unet",
    dataset=KITS19,
    metric=MeanDice(KITS19),
    models=official_models(PUBLISHED),
    scenarios=SCENARIOS,
    # An accuracy run needs minutes a volume on a CPU; a rehearsal of more than one would need as many.
    short=Short(samples=43, seconds=2.0, rehearsal=1),
    window=128,
    # A window's activations take more than half a gigabyte.
    most_windows=4,
)
OFFICIAL_99_9 = replace(OFFICIAL_99, official_name="3d-unet-99.9")


def tiny_reference(share: float) -> TinyReference:
    """Return the tiny network's reference; a volume has two files."""
    return TinyReference("3d-unet-tiny", "DICE", share=share, common=0, per_sample=2)


VOLUMES = PhantomVolumes("generated CT volumes", 32, size=43)
_TINY_FILES = tuple(
    ModelFile("onnx", precision, shipped(file), (window_graph(32, None),))
    for precision, file in (("fp32", "3d-unet-tiny.onnx"), ("int8", "3d-unet-tiny-int8.onnx"))
)
TINY_99: UNet3D = UNet3D(
    edition="tiny",
    official_name="3d-unet-99",
    loadgen_model="3d-unet",
    dataset=VOLUMES,
    metric=MeanDice(VOLUMES),
    models=(*_TINY_FILES, pytorch_file(_TINY_FILES[0], lambda: TINY_99)),
    scenarios=SCENARIOS,
    short=Short(samples=43, seconds=1.0, rehearsal=2),
    window=32,
    most_windows=8,
    reference=tiny_reference(0.99),
)
TINY_99_9 = replace(TINY_99, official_name="3d-unet-99.9", reference=tiny_reference(0.999))
