"""Finds the network of a state dict, and gives it its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from pytest_mlperf.backends.pytorch_networks.bert import bert
from pytest_mlperf.backends.pytorch_networks.resnet import fuse, resnet50
from pytest_mlperf.backends.pytorch_networks.retinanet import retinanet
from pytest_mlperf.backends.pytorch_networks.rnnt import rnnt
from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor, nn

    #: Makes a network of the sizes of a state dict: all of it, and the modules of its graphs by name.
    Make = Callable[[Mapping[str, Tensor]], tuple[nn.Module, dict[str, nn.Module]]]

#: By network: a name that only its state dict has. The order matters: RetinaNet has a ResNet inside.
NETWORKS: Mapping[str, tuple[str, Make]] = {
    "RetinaNet": ("head.classification_head.cls_logits.weight", retinanet),
    "ResNet-50": ("layer4.2.conv3.weight", resnet50),
    "BERT for questions": ("qa_outputs.weight", bert),
    "RNN-T": ("encoder.pre_rnn.lstm.weight_ih_l0", rnnt),
}
#: What files have, and no inference needs: counters of training, numbers of places, filters of audio.
IGNORED = ("num_batches_tracked", "position_ids")
IGNORED_PREFIXES = ("audio_preprocessor.", "bert.pooler.", "cls.")
FIX = "give the file that MLPerf publishes, or an exported program (.pt2)"


def network_for(path: Path, state: Mapping[str, Tensor]) -> dict[str, nn.Module]:
    """Return the modules of a network's graphs by name, with the weights of a state dict.

    Raises
    ------
    ModelError
        It is of no known network, or a weight is missing, unknown, or of another shape.
    """
    state = {_name(name): value.float() for name, value in state.items() if not _is_ignored(name)}
    for network, (marker, make) in NETWORKS.items():
        if marker in state:
            try:
                whole, graphs = make(state)
            except (IndexError, KeyError, ValueError) as error:  # what tells a size is missing or has another rank
                raise _differs(path, network, "weights of one size", f"{type(error).__name__}: {error}") from error
            _give(path, network, whole, state)
            fuse(whole.eval())
            return graphs
    raise ModelError(
        f"{path} is of no network that this backend knows",
        expected=f"the weights of one of {', '.join(NETWORKS)}",
        found=f"{', '.join(list(state)[:3]) or 'nothing'}",
        fix=FIX,
    )


def _name(name: str) -> str:
    """Return a weight's name without what training in parallel puts before it, and as RNN-T's network has it."""
    return name.removeprefix("module.").replace("joint_net", "joint.net")


def _is_ignored(name: str) -> bool:
    plain = _name(name)
    return plain.endswith(IGNORED) or plain.startswith(IGNORED_PREFIXES)


def _give(path: Path, network: str, whole: nn.Module, state: Mapping[str, Tensor]) -> None:
    own = {name: value for name, value in whole.state_dict().items() if not _is_ignored(name)}
    missing, unknown = [name for name in own if name not in state], [name for name in state if name not in own]
    if missing or unknown:
        raise _differs(
            path,
            network,
            f"{missing[0]} and {len(missing) - 1} more" if len(missing) > 1 else (missing or ["no other weights"])[0],
            f"{', '.join(unknown[:3])}{' ...' if len(unknown) > 3 else ''}" if unknown else "no such weight",
        )
    for name, value in own.items():
        if value.shape != state[name].shape:
            raise _differs(path, network, f"{name} {list(value.shape)}", f"{list(state[name].shape)}")
    with torch.no_grad():
        whole.load_state_dict(dict(state), strict=False)


def _differs(path: Path, network: str, expected: str, found: str) -> ModelError:
    return ModelError(f"{path} does not have the weights of {network}", expected=expected, found=found, fix=FIX)
