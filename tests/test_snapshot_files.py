"""The journal, the lock, the folder, and a disk that is full or read-only."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from evobnn import snapshot
from evobnn.errors import RunError
from evobnn.records import Evaluation, Status
from evobnn.snapshot import Generation, Journal, JournalEntry, read_journal
from evobnn.snapshot.journal import TORN
from tests.older import make_older

ENTRY = JournalEntry(
    "k0", "p0", 0, "search", 0, 0, 1,
    Evaluation(Status.ERROR, message="it broke", measures={"loss": 2.5}, seconds=1.25, traceback="File\n  line 3"),
    "2026-01-02T03:04:05+00:00",
)  # fmt: skip


def test_a_journal_gives_back_what_it_took(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    assert read_journal(path) == ([], [])
    entries = [replace(ENTRY, key=f"k{i}", repeat=i, purpose=p) for i, p in enumerate(snapshot.PURPOSES)]
    for entry in entries:
        Journal(path).append(entry)
    assert read_journal(path) == (entries, [])
    assert len(entries) == path.read_bytes().count(b"\n") == 4
    assert read_journal(path, without={("k0", 0), ("k2", 2), ("k1", 0)}) == ([entries[1], entries[3]], [])
    path.write_bytes(path.read_bytes().replace(b'"k2"', b'"k9"'))
    entries, notes = read_journal(path, without={("k0", 0), ("k2", 2)})
    assert len(notes) == 1 and f"{path}, line 3" in notes[0], "what is left out is verified all the same"


def test_a_tear_at_every_byte_costs_at_most_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append(ENTRY)
    one = path.read_bytes()
    second, third = replace(ENTRY, key="k1"), replace(ENTRY, key="k2")
    journal.append(second)
    data = path.read_bytes()
    looped = 0
    for size in range(len(one), len(data)):
        path.write_bytes(data[:size])
        whole = size == len(data) - 1  # all but the newline: the entry is there and must not be measured again
        entries, notes = read_journal(path)
        assert entries == ([ENTRY, second] if whole else [ENTRY])
        lost = len(one) < size and not whole
        assert [f"{path}, line 2" in note and TORN in note for note in notes] == ([True] if lost else [])
        journal.append(third)
        entries, notes = read_journal(path)
        assert entries == ([ENTRY, second, third] if whole else [ENTRY, third])
        torn = len(one) < size < len(data) - 1
        assert [f"{path}, line 2" in note for note in notes] == ([True] if torn else [])
        looped += 1
    assert looped == len(data) - len(one) > 200


def test_damaged_lines_are_noted_and_skipped(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path).append(ENTRY)
    make_older(path)
    good = path.read_text()
    path.write_text(
        "junk\n" + good + good.replace('"search"', '"play"') + good.replace('"repeat"', '"again"') + "\n" + good
    )
    entries, notes = read_journal(path)
    assert entries == [ENTRY, ENTRY]
    assert [note.split(", line ")[1][0] for note in notes] == ["1", "3", "4", "5"]
    path.write_text(good + good.replace('"version": 1', '"version": 9'))
    with pytest.raises(RunError, match="newer"):
        read_journal(path)


LINES = 6


@pytest.mark.parametrize(
    ("change", "skipped", "noted"),
    [
        (lambda lines: [*lines[:2], *lines[3:]], [2, 3], [3]),  # lost
        (lambda lines: [*lines[:3], *lines[2:]], [], [4]),  # doubled
        (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], [2, 3, 4], [3, 4, 5]),  # exchanged
        (lambda lines: [*lines[:2], lines[2].replace(b"2.5", b"2.4"), *lines[3:]], [2], [3]),
        (lambda lines: [*lines[:2], lines[2].replace(b'"version": 2', b'"version": 1'), *lines[3:]], [2], [3]),
        (lambda lines: [*lines[:2], re.sub(rb', "sha": "\w+"', b"", lines[2]), *lines[3:]], [2, 3], [3, 4]),
    ],
)
def test_a_changed_journal_is_noted_where_it_was_changed(
    tmp_path: Path, change: Callable[[list[bytes]], list[bytes]], skipped: list[int], noted: list[int]
) -> None:
    path = tmp_path / "journal.jsonl"
    entries = [replace(ENTRY, repeat=n) for n in range(LINES)]
    for entry in entries:
        Journal(path).append(entry)
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    found, notes = read_journal(path)
    assert [entry.repeat for entry in found] == [n for n in range(LINES) if n not in skipped]
    assert [int(note.split(", line ")[1][0]) for note in notes] == noted
    Journal(path).append(replace(ENTRY, repeat=LINES))
    assert [entry.repeat for entry in read_journal(path)[0]][-1] == LINES
    assert len(read_journal(path)[1]) == len(notes)


def test_a_journal_begun_before_digests_goes_on_with_them(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    entries = [replace(ENTRY, repeat=n) for n in range(4)]
    for entry in entries[:2]:
        Journal(path).append(entry)
    make_older(path)
    for entry in entries[2:]:
        Journal(path).append(entry)
    assert read_journal(path) == (entries, [])
    assert path.read_text().count('"sha"') == 2


def test_a_digest_far_from_the_end_is_found(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path).append(ENTRY)
    with path.open("ab") as file:
        file.write(b"x" * 100_000)
    Journal(path).append(replace(ENTRY, repeat=1))
    assert [entry.repeat for entry in read_journal(path)[0]] == [0, 1]


def test_each_start_adds_a_line(tmp_path: Path) -> None:
    snapshot.append_start(tmp_path, {"jobs": 2})
    snapshot.append_start(tmp_path, {"jobs": 3})
    rows = [json.loads(line) for line in (tmp_path / "starts.jsonl").read_text().splitlines()]
    assert rows == [{"version": 1, "jobs": 2}, {"version": 1, "jobs": 3}]


HOLD = """
import sys
from pathlib import Path
from evobnn.errors import RunError
from evobnn.snapshot import lock
try:
    with lock(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.readline()
except RunError as error:
    print(error, flush=True)
"""


def test_one_writer_at_a_time_across_processes(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with snapshot.lock(tmp_path):
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        assert "another process" in told
        with pytest.raises(RunError, match="another process"), snapshot.lock(tmp_path):
            pass
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(RunError, match="another process"), snapshot.lock(tmp_path):
        pass
    holder.kill()
    holder.communicate(timeout=60)
    with snapshot.lock(tmp_path):  # a killed holder leaves nothing behind that locks
        pass


def test_folders_are_numbered_and_never_shared(tmp_path: Path) -> None:
    root = tmp_path / "populations"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: snapshot.new_folder(root, "digits").name, range(16)))
    assert sorted(made) == sorted(f"digits-{n}" for n in range(1, 17))
    assert snapshot.new_folder(root, "mnist") == root / "mnist-1"


def test_a_named_folder_must_be_empty(tmp_path: Path) -> None:
    named = tmp_path / "a" / "b"
    assert snapshot.new_folder(tmp_path, "digits", named) == named
    assert snapshot.new_folder(tmp_path, "digits", named) == named
    (named / ".lock").touch()
    assert snapshot.new_folder(tmp_path, "digits", named) == named
    (named / "log.jsonl").write_text("kept")
    with pytest.raises(RunError, match="evobnn resume"):
        snapshot.new_folder(tmp_path, "digits", named)
    assert (named / "log.jsonl").read_text() == "kept"


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    empty = Generation(0, {}, {}, {})
    tries = [
        lambda: snapshot.new_folder(tmp_path, "digits", file),
        lambda: snapshot.new_folder(file, "digits"),
        lambda: snapshot.write_generation(file, empty),
        lambda: snapshot.append_start(file, {}),
        lambda: Journal(file / "journal.jsonl").append(ENTRY),
        lambda: snapshot.lock(file).__enter__(),
    ]
    for attempt in tries:
        with pytest.raises(RunError, match=r"^Expected to write .*untouched\.$"):
            attempt()
    assert len(tries) == 6
    assert file.read_text() == "kept"


@pytest.mark.parametrize("broken", ["replace", "fsync"])
@pytest.mark.parametrize(("code", "advice"), [(errno.ENOSPC, "Free some space"), (errno.EROFS, "may write to")])
def test_a_full_or_read_only_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, code: int, advice: str
) -> None:
    path = snapshot.write_generation(tmp_path, Generation(0, {}, {}, {}))
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(RunError, match=advice) as caught:
        snapshot.write_generation(tmp_path, Generation(0, {}, {"new": 1}, {}))
    assert "\n" not in str(caught.value)
    assert [(child.name, child.read_bytes()) for child in tmp_path.iterdir()] == [(path.name, before)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    (tmp_path / "starts.jsonl").symlink_to("/dev/full")
    with pytest.raises(RunError, match="Free some space"):
        snapshot.append_start(tmp_path, {})


def test_a_half_written_line_is_taken_back(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a disk that fills up in the middle of a line."""
    path = tmp_path / "journal.jsonl"
    Journal(path).append(ENTRY)
    before = path.read_bytes()
    script = (
        "import resource, signal, sys\nfrom pathlib import Path\n"
        "from evobnn import _jsonl\nfrom evobnn.errors import RunError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 20},) * 2)\n"
        "try:\n    _jsonl.append(Path(sys.argv[1]), 'x' * 100 + '\\n')\n"
        "except RunError as error:\n    print(error)\n"
    )
    told = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60)
    assert "Free some space" in told.stdout, told.stderr
    assert path.read_bytes() == before


def test_reading_needs_no_lock_and_writes_nothing(tmp_path: Path) -> None:
    snapshot.write_generation(tmp_path, Generation(0, {}, {}, {}))
    snapshot.read_generations(tmp_path)
    assert [child.name for child in tmp_path.iterdir()] == ["generation-0000.jsonl"]


def test_the_module_leaves_torch_and_the_rest_out() -> None:
    script = "import sys, evobnn.snapshot\nprint([m for m in ('torch', 'deap', 'pandas', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"
