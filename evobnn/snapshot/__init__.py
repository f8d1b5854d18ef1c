"""The run folder: text files with a version, one JSON object a line.

A file is replaced as a whole (temporary file, fsync, rename), so a reader sees the old one or the new one and never a
half; the rename of a generation's file is what commits the generation. The journal is the exception: it only grows, one
line a result, and a line torn by a kill stays alone on its line. Reading executes nothing and writes nothing, not even
the lock, so a run on a read-only disk can be read. Writers hold `lock(folder)`.

Numbers that JSON has no word for (nan, inf) may occur among measures and deviations and are written as strings.
"""

from evobnn._jsonl import write_bytes, write_lines, write_text
from evobnn.snapshot.folder import is_being_written, lock, new_folder
from evobnn.snapshot.generations import (
    FORMAT,
    UPGRADES,
    Generation,
    Survivor,
    generation_path,
    read_generation,
    read_generations,
    set_aside,
    write_generation,
)
from evobnn.snapshot.journal import PURPOSES, Journal, JournalEntry, append_start, read_journal, read_starts
from evobnn.snapshot.rescored import Rescored, latest_rescored, read_rescored, rescored_path, write_rescored
from evobnn.snapshot.rows import VERSION

__all__ = [
    "FORMAT",
    "PURPOSES",
    "UPGRADES",
    "VERSION",
    "Generation",
    "Journal",
    "JournalEntry",
    "Rescored",
    "Survivor",
    "append_start",
    "generation_path",
    "is_being_written",
    "latest_rescored",
    "lock",
    "new_folder",
    "read_generation",
    "read_generations",
    "read_journal",
    "read_rescored",
    "read_starts",
    "rescored_path",
    "set_aside",
    "write_bytes",
    "write_generation",
    "write_lines",
    "write_rescored",
    "write_text",
]
