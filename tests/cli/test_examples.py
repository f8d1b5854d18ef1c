"""Every help page ends with an example, and what it says is understood."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import typer

from evobnn.cli.app import app
from evobnn.cli.examples import EXAMPLES
from tests.cli.conftest import Call

GROUP: Any = typer.main.get_command(app)
CHEAP = ("front", "show", "summary", "presets", "recipes", "evaluate")


def test_every_command_has_one_example() -> None:
    assert set(EXAMPLES) == set(GROUP.commands)
    for name, line in EXAMPLES.items():
        assert shlex.split(line)[:2] == ["evobnn", name]
        assert GROUP.commands[name].epilog == f"Example: {line}"
        assert len(f"Example: {line}") < 79  # one line of the page


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_help_page_ends_with_an_example_that_is_understood(evobnn: Call, name: str) -> None:
    page = evobnn(name, "--help")
    assert (page.code, page.err) == (0, "")
    assert page.out.rstrip().splitlines()[-1].strip() == f"Example: {EXAMPLES[name]}"
    command = GROUP.commands[name]
    arguments = shlex.split(EXAMPLES[name])[2:]
    context = command.make_context(name, arguments, parent=GROUP.context_class(GROUP, info_name="evobnn"))
    assert not context.args


@pytest.mark.parametrize("name", CHEAP)
def test_a_cheap_example_runs(evobnn: Call, a_run: object, name: str) -> None:
    done = evobnn(*shlex.split(EXAMPLES[name])[1:])
    assert (done.code, done.err) == (0, ""), done.err
    assert done.out
