"""Where a search stands: from its files alone, without a lock, while it writes them."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from evobnn.analysis import load_run
from evobnn.cli import watch
from evobnn.cli.console import _Spelling
from evobnn.errors import RunError
from evobnn.report import standing_of
from evobnn.report.standing import Follower, is_held
from evobnn.snapshot import lock
from tests.cli.conftest import Call, calling
from tests.report.conftest import POPULATIONS
from tests.report.made import made


def shown(folder: Path, width: int = 80, encoding: str = "utf-8") -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    out = _Spelling(file=stream, width=width, force_terminal=True, color_system=None, highlight=False, markup=False)
    out.print(watch.drawn(Follower(folder).look(), out))
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


def cut(folder: Path, last: int) -> None:
    """Take away what a search writes after this generation, but for the journal."""
    for path in folder.glob("generation-*.jsonl"):
        if int(path.stem.partition("-")[2]) > last:
            path.unlink()
    (folder / "rescored-0007.jsonl").unlink()


def kept(folder: Path, last: int) -> list[str]:
    """Return the journal's lines up to the first that a generation after this one asked for, and cut it there."""
    path = folder / "journal.jsonl"
    lines = [line for line in path.read_text().splitlines() if json.loads(line)["purpose"] == "search"]
    before = [line for line in lines if json.loads(line)["generation"] <= last]
    path.write_text("\n".join(before) + "\n")
    return [line for line in lines if line not in before]


def test_a_finished_search() -> None:
    found, run = standing_of(POPULATIONS / "mnist5k"), load_run(POPULATIONS / "mnist5k")
    assert (found.state, found.generation, found.generations, found.seconds_left) == ("finished", 7, 7, 0.0)
    entries = [json.loads(line) for line in (run.path / "journal.jsonl").read_text().splitlines()]
    assert found.done == found.planned == len(entries) and found.failed == {}
    front = run.front()
    holding = front[front["still_nondominated"]].sort_values("error_rescored")
    assert [one.id for one in found.front][:3] == holding["id"].tolist()[:3] and found.front[0].fresh is not None
    last = entries[-1]["evaluation"]["objectives"]
    said = f"id {entries[-1]['individual']} ok, error {last['error']:.2%}".replace("%", " %")
    assert len(found.volumes) == 8 and found.last.startswith(f"{said}, ops {last['ops']:,.0f}")


def test_a_search_that_goes_on_is_followed(searched: Path) -> None:
    cut(searched, 3)
    coming = kept(searched, 3)
    follower = Follower(searched)
    moment = datetime.fromisoformat(json.loads(coming[0])["finished"]).timestamp()
    before = follower.look(moment)
    assert (before.generation, before.done) == (3, len((searched / "journal.jsonl").read_text().splitlines()))
    assert before.planned == 128 + 50 + 5 * (len(before.front) - 10) and before.seconds_each > 0
    assert before.seconds_left == pytest.approx((before.planned - before.done) * before.seconds_each)
    with open(searched / "journal.jsonl", "a") as file:
        file.write("\n".join(coming[:2]) + "\n" + coming[2][:40])  # the third is being written
    after = follower.look(moment)
    assert after.done == before.done + 2 and after.generation == 3
    with open(searched / "journal.jsonl", "a") as file:
        file.write(coming[2][40:] + "\n")
    assert follower.look(moment).done == before.done + 3


def test_who_writes_is_seen_and_nothing_is_locked(searched: Path) -> None:
    cut(searched, 3)
    kept(searched, 3)
    later = datetime.now(UTC).timestamp() + 1e6
    assert Follower(searched).look(later).state == "stopped"
    if not is_held.__globals__["LOCKS"].is_file():
        pytest.skip("needs Linux's list of locks")
    with lock(searched):
        assert Follower(searched).look(later).state == "running" and is_held(searched / ".lock")
    assert not is_held(searched / ".lock") and not is_held(searched / "nothing")


def test_files_that_are_fresh_mean_a_search_elsewhere(searched: Path) -> None:
    cut(searched, 3)
    kept(searched, 3)
    now = (searched / "journal.jsonl").stat().st_mtime
    assert Follower(searched).look(now + 5).state == "running"


def test_before_the_first_generation_and_without_any_file(searched: Path, tmp_path: Path) -> None:
    cut(searched, -1)
    found = standing_of(searched)
    assert found.generation == -1 and found.front == () and found.volumes == ()
    assert "generation" not in shown(searched).splitlines()[0]
    (tmp_path / "empty").mkdir()
    assert standing_of(tmp_path / "empty").done == 0


def test_damage_is_said(searched: Path) -> None:
    path = searched / "generation-0002.jsonl"
    path.write_text(path.read_text()[:-30] + "\n")
    with pytest.raises(RunError, match="generation-0002"):
        standing_of(searched)


@pytest.mark.parametrize("width", [80, 60, 100])
def test_every_line_fits(width: int, searched: Path, tmp_path: Path) -> None:
    long = made(tmp_path / ("long-" * 15), 90, objectives=("error", "ops", "bits"))
    for folder in (searched, long):
        lines = shown(folder, width).splitlines()
        assert max(map(len, lines)) <= width and len(lines) < 24
    assert re.search(r"[▁▂▃▄▅▆▇█]{8}  from 0.4976", shown(searched))
    assert "diverged" in shown(long) and "generation 4" in shown(long, 60).splitlines()[0]


def test_where_there_are_no_blocks_signs_stand_for_them(searched: Path) -> None:
    shown(searched, encoding="ascii").encode("ascii")
    assert "##" in shown(searched, encoding="ascii")


def test_a_sparkline_shows_the_last_values() -> None:
    assert watch.sparkline([0, 1, 2, 3, 4, 5, 6, 7], 4) == "▁▃▆█" and watch.sparkline([], 3) == ""
    assert watch.sparkline([0.5, 0.5], 9) == "▁▁"


def test_the_command_prints_and_exits(capsys: pytest.CaptureFixture[str], searched: Path) -> None:
    call: Call = calling(capsys)
    found = call("watch", searched, "--once")
    volume = load_run(searched).log()["hypervolume"].iloc[-1]
    assert (found.code, found.err) == (0, "") and f"hypervolume  {volume:.4f}" in found.out
    assert call("watch", searched).out == found.out  # a pipe
    assert call("watch", "nowhere").code == 2
    (searched / "generation-0000.jsonl").write_text("{}\n")
    broken = call("watch", searched, "--once")
    assert broken.code == 2 and broken.err.startswith("Expected") and "Traceback" not in broken.err


def test_the_page_is_written_where_it_is_said(
    capsys: pytest.CaptureFixture[str], searched: Path, no_library: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(searched.parent)
    call: Call = calling(capsys)
    found = call("report", "mnist5k")
    assert found.code == 0 and found.out.startswith("mnist5k.html  0.") and Path("mnist5k.html").is_file()
    with lock(searched):
        found = call("report", "mnist5k", "mnist5k")
    assert found.out.startswith("report.html") and "is writing mnist5k" in found.err
    (searched / "generation-0004.jsonl").write_text("{}\n")
    found = call("report", searched, "--out", "other.html")
    assert found.code == 2 and not Path("other.html").exists() and len(found.err.strip().splitlines()) == 1
    assert call("report", "nowhere").code == 2


def test_a_console_of_rich_is_what_watch_draws_on() -> None:
    assert issubclass(_Spelling, Console)
