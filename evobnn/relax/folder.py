"""The folder of a search by relaxation: what is in it, written so that a kill leaves it whole.

| file | what | equal byte for byte |
|---|---|---|
| `relaxed.toml` | only what decides a result | yes |
| `decisions.jsonl` | a line and digest for each epoch or draw: alphas, or indicators and what is left | yes |
| `generation-0000.jsonl` | the genotypes, best first, as a population; its rename ends the search | yes |
| `relaxed.state` | what the search goes on with; gone at its end | no |
| `cost.json` | path-epochs, multiply-accumulates, CPU seconds | but for the seconds |
| `moves.png` | how it moved | no |
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
import torch

from evobnn import _jsonl
from evobnn._jsonl import SEALED, sealed_lines, write_text
from evobnn.errors import RunError, message
from evobnn.experiment import Experiment
from evobnn.experiment.presets import parsed
from evobnn.experiment.text import from_table, to_text
from evobnn.genome import Genome
from evobnn.records import Individual
from evobnn.relax.cost import Cost
from evobnn.relax.settings import SEARCHES, Settings, settings_of, written
from evobnn.relax.step import Begun, Row, Step
from evobnn.runs import named
from evobnn.runs.reseed import RELAXED
from evobnn.snapshot import Generation, Survivor, generation_path, read_generation, write_generation
from evobnn.spaces import Space, key
from evobnn.training import Trunk, load_trunk, save_trunk

FORMAT = 1
TEXT, DECISIONS, STATE, COST, PICTURE = named.RELAXED_TEXT, "decisions.jsonl", "relaxed.state", "cost.json", "moves.png"
DECISIONS_FORMAT = "evobnn-decisions"
ORDER = "order"
"""The one objective of the genotypes: their place, 0 for the best; no error of a genotype was measured."""


@dataclass(frozen=True)
class Asked:
    """What decides a search: which, its settings, and the experiment whose space, network, images and recipe it has."""

    search: str
    settings: Settings
    experiment: Experiment


def asked_text(asked: Asked) -> str:
    """Return it as TOML; equal ones give equal bytes."""
    table = {"format": FORMAT, "search": asked.search, "relax": written(asked.settings)}
    return tomli_w.dumps({**table, "experiment": tomllib.loads(to_text(asked.experiment))})


def read_asked(folder: Path) -> Asked:
    """Return what decides the search in a folder; raise RunError where there is none."""
    path = folder / TEXT
    if not path.is_file():
        got = f"{folder}" if folder.exists() else f"'{folder}', which does not exist"
        do = f"Begin one: evobnn relax {' | '.join(SEARCHES)}."
        raise RunError(message(f"a folder with {TEXT}", got, do))
    table = parsed(path.read_text(encoding="utf-8"), str(path))
    if table.get("format") != FORMAT:
        raise RunError(message(f"format {FORMAT} in {path}", repr(table.get("format")), "Use a newer evobnn."))
    settings = settings_of(table["search"], table["relax"])
    return Asked(table["search"], settings, from_table(table["experiment"], str(path)))


def check_same(folder: Path, asked: Asked) -> None:
    """Raise RunError where a folder holds another search than the one that is asked for."""
    there = read_asked(folder)
    if asked_text(there) == asked_text(asked):
        return
    do = f"Go on with 'evobnn relax {folder}', or name another folder with --out."
    for what, own, other in (
        ("space", asked.experiment.space.name, there.experiment.space.name),
        ("search", asked.search, there.search),
    ):
        if own != other:
            raise RunError(message(f"a relaxed run of the {what} {own} in {folder}", f"one of the {what} {other}", do))
    raise RunError(message(f"the settings of {folder / TEXT}", "others", do))


def name_of(asked: Asked, protocol: str) -> str:
    """Return what names the search in its state, so that no other one goes on from there."""
    return hashlib.sha256(f"{asked_text(asked)} {protocol}".encode()).hexdigest()[:16]


def load(folder: Path, name: str) -> tuple[Begun, Cost]:
    """Return where a search goes on and what it cost so far: its beginning where nothing whole of it is there."""
    found = load_trunk(folder / STATE, name)
    if found is None:
        return Begun(), Cost()
    tensors = dict(found.tensors)
    facts = json.loads(tensors.pop("facts").numpy().tobytes())
    return Begun(tuple(facts["rows"]), tensors), Cost(**facts["cost"])


def keep(folder: Path, name: str, rows: Sequence[Row], cost: Cost, step: Step) -> None:
    """Write the state after a step, at once and as a whole, then what is told of it.

    Raises:
        RunError: the disk is full or read-only.
    """
    facts = json.dumps({"rows": list(rows), "cost": dataclasses.asdict(cost)}).encode()
    told = {"facts": torch.frombuffer(bytearray(facts), dtype=torch.uint8), **step.tensors()}
    if not save_trunk(Trunk(told, ()), folder / STATE, name):
        raise RunError(message(f"room for {folder / STATE}", "it cannot be written", "Free the disk, go on."))
    tell(folder, rows, cost)


def tell(folder: Path, rows: Sequence[Row], cost: Cost) -> None:
    """Write what decided so far, and what it cost."""
    head = {"format": DECISIONS_FORMAT, "version": SEALED, "rows": len(rows)}
    write_text(folder / DECISIONS, sealed_lines([head, *rows]), lasting=False)
    write_text(folder / COST, json.dumps(dataclasses.asdict(cost), indent=1) + "\n", lasting=False)


def decisions(folder: Path) -> tuple[Row, ...]:
    """Return what decided, a row for each epoch or draw; raise RunError for a damaged line, with file and line."""
    path, do = folder / DECISIONS, "Search anew in another folder; the genotypes have a file of their own."
    (head, *rows), _ = _jsonl.read_rows(path, DECISIONS_FORMAT, SEALED, do)
    with _jsonl.line(path, 1, do):
        count = _jsonl.take(head, format=str, version=int, rows=int)["rows"]
    _jsonl.check_count(path, rows, count, do)
    return tuple(rows)


def finish(folder: Path, asked: Asked, space: Space, genomes: Sequence[Genome]) -> None:
    """Write the genotypes, best first, as a population that a search can be seeded from; this ends the search."""
    found = [
        Individual(number, str(genome), key(space, genome), 0, f"relax {asked.search}")
        for number, genome in enumerate(genomes)
    ]
    survivors = tuple(Survivor(one, {ORDER: float(one.id)}, 0) for one in found)
    relaxed = {"search": asked.search, "space": space.name, "nodes": space.nodes, "inputs": space.inputs}
    header: dict[str, Any] = {RELAXED: relaxed, "objectives": [ORDER], "axes": {}}
    write_generation(folder, Generation(0, header, {}, {"generation": 0}, survivors))
    (folder / STATE).unlink(missing_ok=True)


def read_cost(folder: Path) -> Cost:
    """Return what the search in a folder cost so far."""
    return Cost(**json.loads(_jsonl.read_bytes(folder / COST)))


def is_finished(folder: Path) -> bool:
    """Tell whether the search in a folder has ended."""
    return generation_path(folder, 0).is_file()


def genotypes(folder: Path) -> list[str]:
    """Return the genotypes of a search that has ended, best first."""
    return [one.individual.genome for one in read_generation(generation_path(folder, 0)).survivors]
