"""A training's state on disk: one folder per checkpoint, there as a whole or not at all.

    epoch-0007/weights.safetensors     parameters and buffers of the network as it trains
    epoch-0007/optimiser.safetensors   everything else that is a tensor: moments, averages, teacher, generators
    epoch-0007/state.json              plan, seed, stage, epochs, records, the digests of the two, and its own

The files are written and synced under a hidden name and the folder is renamed, which commits it; only then are older
ones removed. Reading executes nothing. A checkpoint of version 1 has the sizes of the two in place of digests.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as unpacked
from safetensors.torch import save as packed
from torch import Tensor, nn

from evobnn._jsonl import (
    SEALED,
    DamagedError,
    NewerError,
    check_version,
    parse,
    parse_sealed,
    read_bytes,
    sync_folder,
    take,
    write_bytes,
    writing,
)
from evobnn._seals import seal
from evobnn.errors import RunError, message
from evobnn.training.matching import check_tensors
from evobnn.training.staged import State

FORMAT, VERSION = "evobnn-checkpoint", 2
WEIGHTS, OPTIMISER, FACTS = "weights.safetensors", "optimiser.safetensors", "state.json"

_NAME = re.compile(r"epoch-(\d{4,})")
_ASIDE = re.compile(r"\.epoch-(\d{4,})\.old")
_NETWORK = "network."
_DO = "Remove that folder: the checkpoint before it, if there is one, or the start is then gone on from."


def save(state: State, folder: Path, keep: int = 1) -> Path:
    """Write a state to `folder`, named `epoch-` and at least four digits, and return it.

    Arguments:
        state: of a training.
        folder: its parent is made where it is missing. One that is there already is replaced.
        keep: so many checkpoints stay beside each other, this one and those before it; newer ones stay in any case.

    Raises:
        RunError: the disk is full or read-only; the older checkpoint stays.
        ValueError: another name.
    """
    number = _number(_NAME, folder)
    if number is None:
        raise ValueError(f"{folder.name} is no name for a checkpoint")
    temporary, aside = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
    try:
        _write(state, temporary)
        with writing(folder):
            if folder.exists():
                shutil.rmtree(aside, ignore_errors=True)
                os.rename(folder, aside)
            os.rename(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder.parent)
    older = sorted((n, path) for n, path in _found(folder.parent, _NAME) if n < number)
    for _, path in older[: max(0, len(older) + 1 - keep)]:
        _remove(path)
    for path in folder.parent.glob(".epoch-*"):
        shutil.rmtree(path, ignore_errors=True)
    return folder


def latest(folder: Path) -> Path | None:
    """Return the newest whole checkpoint below `folder`, or None; what a kill left half is passed over.

    One that was being replaced when the kill came counts as well.
    """
    return next((path for path in _candidates(folder) if _is_whole(path)), None)


def newest(folder: Path) -> Path | None:
    """Return the newest checkpoint below `folder`, or None: one that is not whole was damaged, for kills leave none."""
    return next(iter(_candidates(folder)), None)


def verify(folder: Path) -> None:
    """Raise DamagedError where a file of a checkpoint is not what was written."""
    _facts(folder)


def load(folder: Path, network: nn.Module) -> State:
    """Return the state in a checkpoint's folder, its tensors on the CPU.

    Raises:
        RunError: of another network, naming the first parameter that differs and both shapes, or of a newer version.
        DamagedError: a file that is not what was written.
    """
    facts = _facts(folder)
    weights = _tensors(folder / WEIGHTS)
    check_tensors(weights, network, str(folder / WEIGHTS))
    tensors = {f"{_NETWORK}{name}": tensor for name, tensor in weights.items()}
    return State({**tensors, **_tensors(folder / OPTIMISER)}, facts)


def _candidates(folder: Path) -> list[Path]:
    """Return all checkpoints below `folder`, the newest first."""
    found = [(number, True, path) for number, path in _found(folder, _NAME)]
    found += [(number, False, path) for number, path in _found(folder, _ASIDE)]
    return [path for *_, path in sorted(found, reverse=True)]


def _write(state: State, folder: Path) -> None:
    parts: dict[str, dict[str, Tensor]] = {WEIGHTS: {}, OPTIMISER: {}}
    for name, tensor in state.tensors.items():
        kept = tensor.detach().cpu().contiguous()
        if name.startswith(_NETWORK):
            parts[WEIGHTS][name.removeprefix(_NETWORK)] = kept
        else:
            parts[OPTIMISER][name] = kept
    digests = {}
    for name, tensors in parts.items():
        data = packed(tensors)
        digests[name] = hashlib.sha256(data).hexdigest()
        write_bytes(folder / name, data)
    facts = {"format": FORMAT, "version": VERSION, "sha256": digests, **state.facts}
    write_bytes(folder / FACTS, seal(json.dumps(facts, indent=1, allow_nan=False) + "\n").encode())
    sync_folder(folder)


def _facts(folder: Path) -> dict[str, Any]:
    """Return the facts of a checkpoint; raise DamagedError where they, or its files, are not what was written."""
    path = folder / FACTS
    if not path.is_file():
        raise DamagedError(message(f"a whole checkpoint in {folder}", f"none of its {FACTS}", _DO))
    data = read_bytes(path)
    try:
        facts = parse(data)
        if facts["format"] != FORMAT:
            raise ValueError("another format")
        version = check_version(path, facts, VERSION)
        facts = parse_sealed(data, "", version)
        del facts["format"], facts["version"]
        if version < SEALED:
            _check_sizes(folder, facts.pop("sizes"))
        else:
            _check_digests(folder, facts.pop("sha256"))
        return take(facts, plan=dict, seed=int, stage=int, stage_epoch=int, epoch=int, records=list)
    except NewerError:
        raise
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RunError) as error:
        raise DamagedError(message(f"a whole checkpoint in {folder}", str(error), _DO)) from error


def _check_digests(folder: Path, digests: dict[str, str]) -> None:
    for name in (WEIGHTS, OPTIMISER):
        if hashlib.sha256(read_bytes(folder / name)).hexdigest() != digests[name]:
            raise ValueError(f"another {name} than was written")


def _check_sizes(folder: Path, sizes: dict[str, int]) -> None:
    for name, size in sizes.items():
        if (there := (folder / name).stat().st_size) != size:
            raise ValueError(f"{there} bytes in {name} in place of {size}")


def _tensors(path: Path) -> dict[str, Tensor]:
    data = read_bytes(path)
    try:
        return unpacked(data)
    except (SafetensorError, ValueError, LookupError, TypeError, RuntimeError) as error:
        raise DamagedError(message(f"tensors in {path}", str(error), _DO)) from error


def _is_whole(folder: Path) -> bool:
    try:
        _facts(folder)
    except DamagedError:
        return False
    except NewerError:  # to be complained of when it is loaded
        return True
    return True


def _number(pattern: re.Pattern[str], path: Path) -> int | None:
    match = pattern.fullmatch(path.name)
    return int(match[1]) if match else None


def _found(folder: Path, pattern: re.Pattern[str]) -> Iterator[tuple[int, Path]]:
    for path in folder.iterdir() if folder.is_dir() else ():
        number = _number(pattern, path)
        if number is not None and path.is_dir():
            yield number, path


def _remove(folder: Path) -> None:
    """Remove a checkpoint so that a kill leaves none that looks whole: renamed first."""
    hidden = folder.with_name(f".{folder.name}.gone")
    with suppress(OSError):
        os.rename(folder, hidden)
    shutil.rmtree(hidden, ignore_errors=True)
