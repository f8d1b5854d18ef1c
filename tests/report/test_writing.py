"""The page is one file that loads nothing, whatever stands in a run's files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import evobnn
from evobnn.errors import EvobnnError, RunError
from evobnn.report import gathered, page
from evobnn.report.gather import opened
from evobnn.report.writing import SCRIPTS, embedded, names
from tests.report.conftest import POPULATIONS

ASSETS = Path(evobnn.__file__).parent / "report" / "assets"


class Read(HTMLParser):
    """A page taken apart: what its scripts hold, its title, and every attribute that could load something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.title = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attributes if name in ("src", "href", "action", "data", "poster")]
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script":
            self.scripts[-1] += data
        if self.lasttag == "title":
            self.title += data

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"/{tag}")


def read(text: str) -> tuple[Read, dict[str, object]]:
    found = Read(text)
    return found, json.loads(found.scripts[0])


def test_it_parses_and_loads_nothing(no_library: None) -> None:
    text = page([gathered(opened(POPULATIONS / "mnist5k"))])
    found, data = read(text)
    assert found.tags.count("script") == found.tags.count("/script") == 2 + len(SCRIPTS)
    assert found.loads == ["data:,"]
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)  # the name of SVG is no address
    assert "default-src 'none'" in text and "{{" not in text
    assert not re.search(r"@import|url\(|\bfetch\(|XMLHttpRequest|\bimport\(|WebSocket", text)
    assert [run["name"] for run in data["runs"]] == ["mnist5k"] and len(text) < 150_000  # type: ignore[attr-defined]


def test_awkward_names_stay_text(small: Path, no_library: None, tmp_path: Path) -> None:
    run = gathered(opened(small, "a </script><b>run</b>"))
    run["columns"]["genome"][0] = "@net = x </script><!-- <script>\u2028 é"
    found, data = read(page([run]))
    assert "<" not in found.scripts[0]  # neither an end nor a comment that would hide one
    assert found.tags.count("b") == 0 and found.tags.count("script") == 2 + len(SCRIPTS)
    assert data["runs"][0]["columns"]["genome"][0] == run["columns"]["genome"][0]  # type: ignore[index]
    assert found.title.strip() == "a </script><b>run</b> · evobnn"


def test_no_number_is_written_that_json_has_not() -> None:
    with pytest.raises(ValueError):
        embedded({"a": float("nan")})


def test_runs_are_told_apart_and_put_together(searched: Path, no_library: None, tmp_path: Path) -> None:
    again = tmp_path / "other" / "mnist5k"
    again.parent.mkdir()
    again.symlink_to(searched)
    assert names([searched, again]) == [f"{tmp_path.name}/mnist5k", "other/mnist5k"]
    assert names([searched, searched]) == ["mnist5k", "mnist5k (2)"]
    assert names([Path(".")]) == [Path.cwd().name]
    path = evobnn.write_report(searched, POPULATIONS / "digits", again, out=tmp_path / "r.html")
    _, data = read(path.read_text())
    assert [run["group"] for run in data["runs"]] == [0, 1, 0]  # type: ignore[attr-defined]


def test_the_same_run_gives_the_same_bytes(no_library: None, tmp_path: Path) -> None:
    run = evobnn.load_run(POPULATIONS / "digits")
    first, second = (evobnn.write_report(run, out=tmp_path / name).read_bytes() for name in "ab")
    assert first == second


def test_what_cannot_be_written_is_said(no_library: None, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="at least one run"):
        evobnn.write_report()
    with pytest.raises(RunError, match="nowhere"):
        evobnn.write_report(POPULATIONS / "digits", out=tmp_path / "nowhere" / "r.html")


def test_without_bokeh_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bokeh.resources", None)
    with pytest.raises(EvobnnError, match=r"pip install 'evobnn\[report\]'"):
        page([gathered(opened(POPULATIONS / "digits"))])


def test_every_script_is_in_the_wheel_and_in_the_page() -> None:
    import tomllib

    patterns = tomllib.loads((ASSETS.parents[2] / "pyproject.toml").read_text())
    carried = patterns["tool"]["setuptools"]["package-data"]["evobnn"]
    for path in ASSETS.iterdir():
        assert f"report/assets/*{path.suffix}" in carried, path
        assert len(path.read_text().splitlines()) <= 400
    assert {path.stem for path in ASSETS.glob("*.js")} == set(SCRIPTS)


def test_reports_and_standings_load_no_torch() -> None:
    code = "import sys, evobnn.report.writing, evobnn.report.standing, evobnn.cli.watch; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
