"""`evobnn watch` in a pseudo-terminal of 80 columns, beside a search that goes on."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evobnn.snapshot import lock
from tests.report.conftest import POPULATIONS

pytestmark = [
    pytest.mark.extras,
    pytest.mark.skipif(not Path("/proc/locks").is_file(), reason="needs Linux's list of locks"),
]


class Terminal:
    """A program in a pseudo-terminal of 80 columns and 24 lines."""

    def __init__(self, *arguments: str) -> None:
        self.end, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "evobnn", *arguments],
            stdin=other, stdout=other, stderr=other, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(other)
        self.text = ""

    def until(self, pattern: str, seconds: float = 60.0) -> str:
        """Return everything that was written until a pattern is in it."""
        begin = time.monotonic()
        while not re.search(pattern, self.text):
            assert time.monotonic() - begin < seconds, self.text[-3000:]
            if select.select([self.end], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.end, 65536).decode("utf-8", "replace")
                except OSError:  # the program ended
                    assert re.search(pattern, self.text), self.text[-3000:]
        return self.text

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.end)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A search of which four generations and nothing of the fifth are finished, while somebody holds its lock."""
    folder = Path(shutil.copytree(POPULATIONS / "mnist5k", tmp_path / "run"))
    for number in (4, 5, 6, 7):
        (folder / f"generation-{number:04d}.jsonl").rename(folder / f"later-{number}")
    (folder / "rescored-0007.jsonl").rename(folder / "later-fresh")
    lines = (folder / "journal.jsonl").read_text().splitlines()
    (folder / "journal.jsonl").write_text("".join(f"{x}\n" for x in lines if json.loads(x)["generation"] < 4))
    with lock(folder):
        yield folder


def plain(text: str) -> list[str]:
    """Return lines without the codes that move the cursor and set colours."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n").splitlines()


def test_it_follows_a_search_and_ends_with_it(folder: Path) -> None:
    seen = Terminal("watch", str(folder))
    try:
        seen.until(r"running, generation 3 of 7")
        (folder / "later-4").rename(folder / "generation-0004.jsonl")
        seen.until(r"running, generation 4 of 7")
        assert "0.7" in seen.until(r"hypervolume")
        seen.process.send_signal(signal.SIGINT)
        seen.until("the search goes on")
        assert seen.process.wait(20) == 130
        assert max(map(len, plain(seen.text))) <= 80
        assert "Traceback" not in seen.text
    finally:
        seen.close()


def test_it_ends_when_the_search_does(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(POPULATIONS / "mnist5k", tmp_path / "run"))
    (folder / "rescored-0007.jsonl").rename(folder / "later")
    with lock(folder):
        seen = Terminal("watch", str(folder))
        try:
            seen.until(r"running, generation 7 of 7")
            (folder / "later").rename(folder / "rescored-0007.jsonl")
        except BaseException:
            seen.close()
            raise
    try:
        seen.until(r"finished, generation 7 of 7")
        assert seen.process.wait(20) == 0
        assert max(map(len, plain(seen.text))) <= 80
    finally:
        seen.close()
