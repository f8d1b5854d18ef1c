"""Random damage to every kind of file of a run, a training, a table and a study, and what reading makes of it.

    python -m tests.mutations [--count 10000] [--seed 0] [KIND ...]

prints how many changes of each kind of file were refused (or told), passed without a change of what was read, or cost
whole lines at the end of a journal, which nobody can tell from a journal that was not written further. Anything else
that is read is an error.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evobnn import _jsonl
from evobnn.analysis.pictures import curves
from evobnn.errors import EvobnnError
from evobnn.experiment.final import TRAINING, FinalSettings, open_settings, to_text
from evobnn.experiment.recipes import plan_from_table
from evobnn.experiment.text import from_table
from evobnn.runs.final.folder import Line, Verdict, read_result, seed_folder, write_result
from evobnn.runs.final.metadata import Metadata
from evobnn.runs.final.weights import read_weights, write_weights
from evobnn.runs.setup import open_experiment
from evobnn.snapshot import (
    Journal,
    JournalEntry,
    Rescored,
    append_start,
    read_generations,
    read_journal,
    read_rescored,
    read_starts,
    write_generation,
    write_rescored,
)
from evobnn.studies.fidelity import brief
from evobnn.tables import read_table, write_table
from evobnn.training import StagedTraining, checkpoint
from evobnn.training.epoch import Epoch
from evobnn.training.trunk import Trunk, load_trunk, save_trunk
from tests.conftest import TINY
from tests.final.conftest import GENOME as CELLS
from tests.final.conftest import STAGES
from tests.miniature import ERRORS, by_hand
from tests.test_snapshot import GENOME, generation
from tests.test_snapshot_files import ENTRY
from tests.training.toys import FULL, images, network

EXPERIMENT = Path(__file__).parent / "experiment" / "before" / "experiment.toml"


class OtherError(Exception):
    """What was read is known to be other than what was written, and that is said; what is left of it is right."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        make: writes one below a folder and returns its path.
        read: returns what it says, comparable; raises EvobnnError, or OtherError, where it is not what was written.
        grows: whether losing whole lines at its end is no damage.
    """

    make: Callable[[Path], Path]
    read: Callable[[Path], Any]
    grows: bool = False


def _generation(folder: Path) -> Path:
    return write_generation(folder, generation(0))


def _read_generation(path: Path) -> str:
    good, told = read_generations(path.parent)
    if told:
        raise OtherError
    return repr(good)


def _rescored(folder: Path) -> Path:
    row = Rescored(3, "k3", GENOME, (100, 101), {"error": 0.25}, {"error": (0.2, 0.3)}, {"error": 0.07})
    return write_rescored(folder, 6, [row, replace(row, id=5, key="k5")])


LINES = 6
ENTRIES: list[JournalEntry] = [replace(ENTRY, key=f"k{n}", repeat=n) for n in range(LINES)]


def _journal(folder: Path) -> Path:
    for entry in ENTRIES:
        Journal(folder / "journal.jsonl").append(entry)
    return folder / "journal.jsonl"


def _read_journal(path: Path) -> list[str]:
    entries, notes = read_journal(path)
    assert all(entry in ENTRIES for entry in entries)
    if notes:
        raise OtherError
    return [repr(entry) for entry in entries]


def _starts(folder: Path) -> Path:
    for jobs in (1, 2):
        append_start(folder, {"jobs": jobs})
    return folder / "starts.jsonl"


def _read_starts(path: Path) -> None:
    read_starts(path.parent)  # whatever it says; nothing that counts depends on it


def _experiment(folder: Path) -> Path:
    path = folder / "experiment.toml"
    path.write_bytes(EXPERIMENT.read_bytes())
    return path


def _read_experiment(path: Path) -> str:
    found = open_experiment(path.parent).fingerprint()
    if found != hashlib.sha256(EXPERIMENT.read_bytes()).hexdigest()[:16]:
        raise OtherError  # every generation says with which it was made
    return found


def _table(folder: Path) -> Path:
    write_table(folder / "table.jsonl", by_hand(ERRORS))
    return folder / "table.jsonl"


def _settings(folder: Path) -> Path:
    plan = plan_from_table(STAGES, "tiny", "tests")
    path = folder / TRAINING
    path.write_text(to_text(FinalSettings(CELLS, from_table(TINY, "tests"), plan, (0, 1))))
    return path


def _read_settings(path: Path) -> str:
    whole = repr(open_settings(path.parent))
    if hashlib.sha256(path.read_bytes()).digest() != hashlib.sha256(_settings(path.parent).read_bytes()).digest():
        raise OtherError  # the first start says with which bytes it was made
    return whole


def _metrics(folder: Path) -> Path:
    home = seed_folder(folder, 0)
    home.path.mkdir()
    for epoch in range(1, LINES + 1):
        home.append(Line(0, epoch, 0.25, 1.5, 0.75, 0.125, 2.0))
    return home.path / "metrics.jsonl"


def _tested(folder: Path) -> Path:
    home = seed_folder(folder, 0)
    home.path.mkdir()
    home.write_tested(Verdict(347, 360))
    return home.path / "test.json"


def _result(folder: Path) -> Path:
    write_result(folder, {"format": "evobnn-training", "version": 2, "n": 3, "seeds": [{"seed": 0, "error": 0.25}]})
    return folder / "result.json"


def _read_result(path: Path) -> str:
    found = read_result(path.parent)
    if found is None:
        raise OtherError  # it is derived, and written anew
    return repr(found)


def _weights(folder: Path) -> Path:
    home = seed_folder(folder, 0)
    home.path.mkdir()
    home.append(Line(0, 1, 0.25, 1.5, 0.75, 0.125, 2.0))  # it says that digests are due
    write_weights(home, network().state_dict(), Metadata((1, 8, 8), ("a", "b"), (4.5,), (2.25,)))
    return home.path / "weights.safetensors"


def _read_weights(path: Path) -> tuple[str, str]:
    tensors, metadata = read_weights(seed_folder(path.parents[1], 0))
    return _of(tensors), repr(metadata)


def _checkpoint(name: str) -> Callable[[Path], Path]:
    return lambda folder: (
        checkpoint.save(StagedTraining(network(), images(), FULL, 3).state(), folder / "epoch-0001") / name
    )


NETWORK = network()


def _read_checkpoint(path: Path) -> tuple[str, str]:
    state = checkpoint.load(path.parent, NETWORK)
    return _of(state.tensors), repr(state.facts)


def _trunk(folder: Path) -> Path:
    save_trunk(Trunk(network().state_dict(), (Epoch(1.5, 0.25, None),)), folder / "0.weights", "this one")
    return folder / "0.weights"


def _read_trunk(path: Path) -> tuple[str, str]:
    found = load_trunk(path, "this one")
    if found is None:
        raise OtherError  # it is trained anew, or, where it was to be inherited, refused
    return _of(found.tensors), repr(found.curve)


def _study(form: str, version: int, rows: Sequence[Mapping[str, Any]]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "results.jsonl"
        header = {"format": form, "version": version, "protocol": "p0", "question": "q0"}
        path.write_text("".join(_jsonl.alone(row, version) for row in (header, *rows)))
        return path

    return make


COMPARED = [
    {"arm": "a", "settings": "s", "seed": n, "epochs": [1, 2], "curves": {"error": [0.5, 0.25]},
     "final": {"error": 0.25}, "start": {}, "fixed": {}, "best": "@net = x"} for n in range(LINES)
]  # fmt: skip
BRIEF = [
    {"genome": "@net = x", "key": f"k{n}", "epochs": 2, "width": 4, "repeat": 0, "seconds": 1.5, "error": 0.25}
    for n in range(LINES)
]


def _read_compared(path: Path) -> list[str]:
    """Return header and rows: each stands for itself, in any order."""
    header, rows = curves.read_results(path)
    return _rows_of(repr(header), sorted({repr(row) for row in rows}), {repr(row) for row in COMPARED})


def _read_brief(path: Path) -> list[str]:
    header, rows = brief.read_results(path)
    told = {task.key: repr((task, ended)) for task, ended in rows.items()}
    known = {f"k{n}": repr((brief.Task(f"k{n}", 2, 4, 0), brief.Ended(1.5, 0.25, ""))) for n in range(LINES)}
    return _rows_of(repr(header), sorted(told.values()), set(known.values()))


def _rows_of(header: str, rows: list[str], known: set[str]) -> list[str]:
    assert set(rows) <= known
    if set(rows) != known:
        raise OtherError  # the missing ones are made again
    return [header, *rows]


KINDS: dict[str, Kind] = {
    "run: experiment.toml": Kind(_experiment, _read_experiment),
    "run: generation": Kind(_generation, _read_generation),
    "run: rescored": Kind(_rescored, lambda path: repr(read_rescored(path))),
    "run, table: journal": Kind(_journal, _read_journal, grows=True),
    "run, training: starts": Kind(_starts, _read_starts),
    "run: inherited weights, trunk": Kind(_trunk, _read_trunk),
    "table: table": Kind(_table, lambda path: repr(read_table(path))),
    "training: training.toml": Kind(_settings, _read_settings),
    "training: metrics": Kind(_metrics, lambda path: repr(seed_folder(path.parents[1], 0).lines_of(LINES))),
    "training: test": Kind(_tested, lambda path: repr(seed_folder(path.parents[1], 0).tested())),
    "training: result": Kind(_result, _read_result),
    "training: weights": Kind(_weights, _read_weights),
    **{
        f"checkpoint: {name}": Kind(_checkpoint(name), _read_checkpoint)
        for name in (checkpoint.FACTS, checkpoint.WEIGHTS, checkpoint.OPTIMISER)
    },
    "study: comparison": Kind(_study(curves.FORMAT, curves.VERSION, COMPARED), _read_compared),
    "study: brief trainings": Kind(_study(brief.FORMAT, brief.VERSION, BRIEF), _read_brief),
}


def _of(tensors: Mapping[str, Any]) -> str:
    """Return a digest of tensors by name."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.view(-1).numpy().tobytes())
    return found.hexdigest()


# --- Changes --------------------------------------------------------------------------------------------------------


def flipped(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def overwritten(data: bytes, rng: random.Random) -> bytes:
    place, length = rng.randrange(len(data)), rng.randint(1, 16)
    return data[:place] + rng.randbytes(len(data[place : place + length])) + data[place + length :]


def deleted(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + data[place + rng.choice((1, 1, 2, 8, 64)) :]


def inserted(data: bytes, rng: random.Random) -> bytes:
    place, length = rng.randint(0, len(data)), rng.choice((1, 1, 2, 8))
    more = rng.choice((rng.randbytes(length), b" " * length, b"0" * length, b"\n", b"[" * length, b'"'))
    return data[:place] + more + data[place:]


def truncated(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def with_other_digit(data: bytes, rng: random.Random) -> bytes:
    places = [place for place, byte in enumerate(data) if 48 <= byte <= 57]
    if not places:
        return data
    place = rng.choice(places)
    return data[:place] + str(rng.randrange(10)).encode() + data[place + 1 :]


def lines_exchanged(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def line_doubled(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join([*lines[: rng.randint(0, len(lines))], rng.choice(lines), *lines[rng.randint(0, len(lines)) :]])


def line_lost(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    return b"".join(lines)


CHANGES = (flipped, overwritten, deleted, inserted, truncated, with_other_digit, lines_exchanged, line_doubled,
           line_lost)  # fmt: skip


def outcomes(kind: Kind, folder: Path, count: int, seed: int) -> Counter[str]:
    """Change a file `count` times and return how often it was refused, the same as before, or shorter.

    Raises:
        AssertionError: something else than was written is read without a word.
        Exception: what reading raises that is no EvobnnError.
    """
    rng, found = random.Random(seed), Counter[str]()
    path = kind.make(folder)
    whole, wanted = path.read_bytes(), kind.read(path)
    while found.total() < count:
        how = CHANGES[found.total() % len(CHANGES)] if whole.count(b"\n") > 1 else rng.choice(CHANGES)
        data = how(whole, rng)
        if data == whole:
            data = flipped(whole, rng)
        path.write_bytes(data)
        try:
            said = kind.read(path)
        except (EvobnnError, OtherError):
            found["refused or told"] += 1
            continue
        if said == wanted:
            found["read the same"] += 1
        else:
            assert kind.grows and said == wanted[: len(said)], f"{how.__name__}: {said!r} in place of {wanted!r}"
            found["shorter"] += 1
    return found


def main(arguments: Sequence[str]) -> int:
    """Print the counts by kind; return 1 where something was accepted or broke."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("kinds", nargs="*", default=[])
    given = parser.parse_args(arguments)
    failed = 0
    for name, kind in KINDS.items():
        if given.kinds and not any(part in name for part in given.kinds):
            continue
        with tempfile.TemporaryDirectory() as folder:
            began = time.process_time()
            try:
                found = dict(outcomes(kind, Path(folder), given.count, given.seed))
            except Exception as error:  # to be counted: the others are tried all the same
                failed += 1
                print(f"{name:32} FAILED {type(error).__name__}: {error}", flush=True)
                continue
        counts = ", ".join(f"{count:,} {what}" for what, count in sorted(found.items()))
        print(f"{name:32} {counts} ({time.process_time() - began:.0f} s)", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
