"""docs/design.md says what the code is: its tree, its levels, its run folder."""

import re
import tomllib
from pathlib import Path

from tests.drawn import arrows, drawing

ROOT = Path(__file__).resolve().parents[1]
DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")


def levels() -> dict[str, int]:
    """Return the level of every module as the page states it."""
    found: dict[str, int] = {}
    for number, names in re.findall(r"^level (\d) +((?:[a-z_]+(?:\.py|/) ?)+)", DESIGN, re.MULTILINE):
        for name in names.split():
            found[name.removesuffix(".py").removesuffix("/")] = int(number)
    return found


def test_every_module_is_in_the_tree_and_nothing_else():
    there = {
        path.stem
        for path in (ROOT / "evobnn").iterdir()
        if (path.suffix == ".py" and not path.stem.startswith("__")) or (path / "__init__.py").is_file()
    }
    assert there == set(levels())


def test_the_import_contract_has_the_same_levels():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract.get("containers") == ["evobnn"]]
    stated = levels()
    assert len(layers) == max(stated.values()) + 1
    for level, line in enumerate(reversed(layers)):
        names = [name for name in re.findall(r"[a-z_]+", line) if not name.startswith("__")]
        assert names
        assert {name for name, at in stated.items() if at == level} == set(names)


def test_the_drawing_of_the_rooms_of_networks_is_what_they_import():
    (shown,) = re.findall(r"^```mermaid\n(.+?)\n```$", DESIGN, re.DOTALL | re.MULTILINE)
    assert shown == drawing("evobnn.nn")
    order = ["binary", "cells", "networks", "counting", "fast"]
    assert all(order.index(one) > order.index(other) for one, other in arrows("evobnn.nn"))


def test_extras_that_are_named_can_be_installed():
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    named = {
        name
        for path in [*(ROOT / "evobnn").rglob("*.py"), ROOT / "README.md"]
        for name in re.findall(r"evobnn\[(\w+)\]", path.read_text(encoding="utf-8"))
    }
    assert {"fast", "cluster"} <= named <= extras


def test_the_table_of_files_is_what_a_run_writes():
    section = DESIGN.split("## 5.")[1].split("## 6.")[0]
    named = {re.sub(r"\d{4}", "NNNN", name) for name in re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)}
    written = {
        re.sub(r"\d{4}", "NNNN", path.name)
        for path in (ROOT / "populations" / "digits").iterdir()
        if path.name not in {"README.md", ".lock"}
    }
    assert named == written
