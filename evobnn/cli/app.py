"""Which commands there are. Nothing heavy is imported before a command runs, nor before the names that it was given are
known to be there.
"""

from __future__ import annotations

from typing import Annotated

import typer

from evobnn import __version__
from evobnn.cli.commands import looking, relaxing, searching, studies, training
from evobnn.cli.examples import example

app = typer.Typer(
    name="evobnn",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Evolves binary (1-bit) neural networks: cell topology and activation functions in one genome.",
    epilog="Exit codes: 0 done, 1 problems found or a bug, 2 bad input, 130 stopped. A run is a folder; "
    "below populations/ its name is enough.",
)

COMMANDS = (
    searching.evolve,
    searching.resume,
    relaxing.relax,
    looking.front,
    looking.report,
    looking.watch,
    looking.show,
    looking.summary,
    looking.evaluate,
    training.train,
    training.predict,
    training.export,
    looking.check,
    looking.presets,
    looking.recipes,
    studies.tabulate,
    studies.table,
    studies.compare,
    studies.fidelity,
    looking.bench,
    looking.doctor,
)
"""In the order of the help."""


def _version(wanted: bool) -> None:
    if wanted:
        print(f"evobnn {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Evolves binary (1-bit) neural networks: cell topology and activation functions in one genome."""
    if context.invoked_subcommand is None:
        print(context.get_help())


for command in COMMANDS:
    app.command(epilog=example(command.__name__))(command)
