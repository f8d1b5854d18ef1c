"""Whether what was stored belongs to what is here, and if not, what differs first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from evobnn.errors import RunError, message

_DO = "Take the genome, cells and channels that it was written with."


def check_tensors(stored: Mapping[str, Tensor], network: nn.Module, source: str = "the checkpoint") -> None:
    """Raise RunError unless the stored tensors have the names and shapes of the network's parameters and buffers.

    The message names the first, in the network's order, that differs, and both shapes.
    """
    wanted = network.state_dict()
    for name, tensor in wanted.items():
        expected = f"{name} of shape {tuple(tensor.shape)} in {source}, as in this network"
        if name not in stored:
            raise RunError(message(expected, "none of that name: it is of another network", _DO))
        if stored[name].shape != tensor.shape:
            got = f"shape {tuple(stored[name].shape)}: it is of another network"
            raise RunError(message(expected, got, _DO))
    for name in sorted(stored):
        if name not in wanted:
            got = f"{name} of shape {tuple(stored[name].shape)}, which this network does not have"
            raise RunError(message(f"only parameters of this network in {source}", got, _DO))


def first_difference(stored: Any, here: Any, place: str) -> tuple[str, Any, Any]:
    """Return (place, stored value, value here) of the first difference between two JSON values, or ("", None, None)."""
    if isinstance(stored, dict) and isinstance(here, dict):
        for name in dict.fromkeys([*here, *stored]):
            found = first_difference(stored.get(name), here.get(name), f"{place}.{name}")
            if found[0]:
                return found
    elif isinstance(stored, list) and isinstance(here, list) and len(stored) == len(here):
        for number, (old, new) in enumerate(zip(stored, here, strict=True)):
            found = first_difference(old, new, f"{place}.{number}")
            if found[0]:
                return found
    elif stored != here:
        return place, stored, here
    return "", None, None
