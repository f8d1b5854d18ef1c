"""What README promises: its public names, its commands, its genome."""

import re
import shlex
from pathlib import Path

import evobnn
from evobnn.cli.app import app

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def test_public_names_are_listed_and_exist():
    (line,) = re.findall(r"The public names are\n\n(.+?)\n\n", README, re.DOTALL)
    listed = re.findall(r"`(\w+)`", line)
    assert sorted(listed) == sorted(set(evobnn.__all__) - {"__version__"})
    assert all(getattr(evobnn, name) is not None for name in listed)


def test_commands_exist():
    known = {command.callback.__name__ for command in app.registered_commands}
    code = "\n".join(re.findall(r"^```$(.+?)^```$", README, re.DOTALL | re.MULTILINE) + re.findall(r"`(.+?)`", README))
    named = set(re.findall(r"(?:^| {4})evobnn ([a-z]+)", code, re.MULTILINE))
    assert len(named) > 5
    assert named <= known


def test_the_genome_shown_is_read():
    (command,) = re.findall(r"^evobnn show (\".+\")$", README, re.MULTILINE)
    (text,) = shlex.split(command)
    assert str(evobnn.parse_genome(text)) == text


def test_no_place_left_open():
    assert "@@" not in README
