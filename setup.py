"""Everything stands in pyproject.toml but one step: a wheel carries the tables, of which a checkout has one copy."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
RECORDED = Path("evobnn") / "recorded"


def tables() -> dict[Path, Path]:
    """Return the file of each table by its place in the wheel."""
    found = sorted((HERE / "populations" / "tables").glob("*/table.jsonl"))
    return {RECORDED / path.parent.name / path.name: path for path in found}


def copy_tables(into: Path) -> None:
    for place, source in tables().items():
        (into / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, into / place)


class WithTables(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:  # there the checkout's own are read
            copy_tables(Path(self.build_lib))


if __name__ == "__main__":
    setup(cmdclass={"build_py": WithTables})
