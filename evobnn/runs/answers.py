"""What a check of a file or folder finds: problems with their places, or why it cannot be made here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from evobnn.errors import EvobnnError
from evobnn.experiment.needs import MissingError

Problems = Iterator[str]
Subject = TypeVar("Subject")


class Remark(str):
    """What is worth telling and no problem."""


class CannotTellError(Exception):
    """A check that cannot be made on this machine, and why."""


@dataclass(frozen=True)
class Answer:
    """What came of one check.

    Attributes:
        statement: that was to be verified.
        problems: with their places; a `Remark` among them is none.
        untold: why the check could not be made here; empty where it was.
    """

    statement: str
    problems: tuple[str, ...] = ()
    untold: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether a problem was found."""
        return any(not isinstance(one, Remark) for one in self.problems)


def answered(statement: str, check: Callable[[Subject], Problems], subject: Subject) -> Answer:
    """Return what a check finds; whatever it raises is a problem, too."""
    try:
        return Answer(statement, tuple(check(subject)))
    except (CannotTellError, MissingError) as error:
        return Answer(statement, untold=str(error))
    except EvobnnError as error:
        return Answer(statement, (str(error),))
    except Exception as error:  # what is written in a spoilt file can break anything
        return Answer(statement, (f"{type(error).__name__}: {error}",))
