"""Files of one JSON object a line, and how a file is replaced or extended so that a kill cannot spoil it.

Nothing here knows what the lines mean. Whatever is wrong with a line becomes a sentence with file and line; whatever is
wrong with the disk becomes a sentence with the path, and the file that was there stays as it was.

Lines of formats from version `SEALED` on end with a digest over themselves and the digest before, so a line that was
changed, lost, added or moved is found where it stands.
"""

from __future__ import annotations

import errno
import json
import numbers
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from evobnn._seals import claimed, seal, verify
from evobnn.errors import EvobnnError, RunError, message

Row = dict[str, Any]
SEALED = 2
"""The version from which on every format has digests."""
_BLOCK = 1 << 14


class DamagedError(RunError):
    """A file that can be opened but does not hold what was written; the message names file and line."""


class NewerError(RunError):
    """A file of a version that this evobnn does not know; not damage."""


# --- Lines ----------------------------------------------------------------------------------------------------------


def dump(row: Mapping[str, Any]) -> str:
    """Return a row as one line of ASCII with its newline, the fields in the order given.

    Raises:
        RunError: a value that JSON cannot hold, such as nan. NumPy's numbers become Python's.
    """
    try:
        return json.dumps(row, allow_nan=False, default=_plain) + "\n"
    except (TypeError, ValueError) as error:
        raise RunError(
            message("values that JSON can hold", str(error), "Report this as a bug, and use None in place of nan.")
        ) from error


def parse(line: bytes) -> Row:
    """Return the object in a line; raise ValueError where there is none."""
    try:
        row = _DECODER.decode(line.decode())
    except json.JSONDecodeError as error:
        raise ValueError(f"text that is not whole JSON (column {error.colno}: {error.msg})") from error
    except RecursionError as error:
        raise ValueError("JSON nested too deep") from error
    if not isinstance(row, dict):
        raise ValueError("JSON that is no object")
    return row


def parse_sealed(text: bytes, before: str, version: int) -> Row:
    """Return the object in a line as `opened` does."""
    return opened(parse(text), text, before, version)


def opened(row: Row, text: bytes, before: str, version: int) -> Row:
    """Return a line's row, its digest taken out; raise ValueError where this does not fit, or is not due.

    Arguments:
        row: what was parsed.
        text: of the line, without the newline.
        before: the digest of the line before, empty for the first.
        version: of the format.
    """
    if version < SEALED:
        if "sha" in row:
            raise ValueError(f"a digest, which version {version} does not have")
        return row
    verify(text, before)
    del row["sha"]
    return row


@contextmanager
def line(path: Path, number: int, do: str) -> Iterator[None]:
    """Turn a ValueError and its like within the block into a DamagedError with file and line (from 1)."""
    try:
        yield
    except (DamagedError, NewerError):
        raise
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, EvobnnError) as error:
        raise DamagedError(message(f"a whole line in {path}, line {number}", str(error), do)) from error


def read_bytes(path: Path) -> bytes:
    """Return what a file holds; raise RunError where it cannot be opened."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> RunError:
    return RunError(message(f"to read {path}", f"'{error.strerror}'", "Check the path and that you may read it."))


def lines_of(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, each with its newline but for one that is cut off; raises RunError as `read_bytes`."""
    try:
        with open(path, "rb") as file:
            yield from file
    except OSError as error:
        raise _unreadable(path, error) from error


def read_rows(path: Path, form: str, version: int, do: str) -> tuple[list[Row], int]:
    """Return all rows of a file and its version; row n of the list stands in line n + 1.

    Args:
        path: of the file.
        form: the "format" that the first line must name.
        version: the newest that is known.
        do: the third part of the message about a damaged line.
    """
    lines = read_bytes(path).split(b"\n")
    with line(path, 1, do):
        header = parse(lines[0])
        if header.get("format") != form:
            raise ValueError(f"the format {header.get('format')!r} where {form} was to be")
        found = check_version(path, header, version)
        rows = [parse_sealed(lines[0], "", found)]
    before = claimed(lines[0])
    for number, text in enumerate(lines[1:-1], 2):
        with line(path, number, do):
            rows.append(parse_sealed(text, before, found))
        before = claimed(text)
    with line(path, len(lines), do):
        if lines[-1] or len(lines) == 1:
            raise ValueError("a line that is cut off")
    return rows, found


def alone(row: Mapping[str, Any], version: int) -> str:
    """Return a row of a file of this version as a line that stands for itself: with a digest over it alone."""
    return dump(row) if version < SEALED else seal(dump(row))


def read_alone(path: Path, form: str, version: int, do: str, mend: str) -> tuple[Row, list[tuple[int, Row]]]:
    """Return the first line of a file of lines that stand for themselves, and the others with their numbers.

    A line may be taken out, and one that a kill tore is left out: what it told is then worked out again.

    Args:
        path: of the file.
        form: the "format" that the first line must name.
        version: the newest that is known.
        do: the third part of the message about the first line.
        mend: of that about another one.
    """
    first, *lines = read_bytes(path).split(b"\n")
    with line(path, 1, do):
        header = parse(first)
        if header.get("format") != form:
            raise ValueError(f"the format {header.get('format')!r} where {form} was to be")
        found = check_version(path, header, version)
        header = parse_sealed(first, "", found)
    rows = []
    for number, text in enumerate(lines, 2):
        if not _torn(text):
            with line(path, number, mend):
                rows.append((number, parse_sealed(text, "", found)))
    return header, rows


def torn_lines(path: Path) -> list[str]:
    """Return a sentence with file and line for each line that `read_alone` leaves out; none where there is no file."""
    texts = read_bytes(path).split(b"\n") if path.is_file() else []
    do = "A kill in the middle of writing left it; what it told is worked out again."
    return [
        message(f"a whole line in {path}, line {number}", "one that is torn", do)
        for number, text in enumerate(texts[1:], 2)
        if text and _torn(text)
    ]


def _torn(text: bytes) -> bool:
    if claimed(text):
        return False
    try:
        parse(text)
    except ValueError:
        return True
    return False


def check_version(path: Path, row: Mapping[str, Any], newest: int) -> int:
    """Return the row's version if it is 1 to `newest`; raise NewerError above, ValueError for no version at all."""
    version = row.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValueError(f"the version {version!r}")
    if version > newest:
        raise NewerError(
            message(f"a file of version {newest} or older, the newest known here", f"version {version} in {path}",
                    "A newer evobnn wrote it: read it with that one.")
        )  # fmt: skip
    return version


def check_count(path: Path, rows: list[Row], expected: int, do: str) -> None:
    """Raise DamagedError unless as many rows follow the first line as it promises."""
    with line(path, min(len(rows), expected) + 2, do):
        if len(rows) != expected:
            raise ValueError(f"{len(rows)} lines after the first where it promises {expected}")


def take(row: Any, /, **kinds: type) -> Row:
    """Return `row` if it is an object with exactly these fields of these types; raise ValueError otherwise."""
    if type(row) is dict and row.keys() == kinds.keys():
        for name, kind in kinds.items():
            if type(row[name]) is not kind:
                break
        else:
            return row
    if not isinstance(row, dict):
        raise ValueError("something that is no object")
    if missing := [name for name in kinds if name not in row]:
        raise ValueError(f"a line without '{missing[0]}'")
    if strange := [name for name in row if name not in kinds]:
        raise ValueError(f"an unknown field '{strange[0]}'")
    for name, kind in kinds.items():
        if isinstance(row[name], bool) or not isinstance(row[name], int | float if kind is float else kind):
            raise ValueError(f"'{name}' that is no {kind.__name__}")
    return row


def _plain(value: object) -> int | float:
    """Return a number of another kind (NumPy's) as Python's own."""
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    raise TypeError(f"a value of type {type(value).__name__}")


def _no_constant(text: str) -> float:
    raise ValueError(f"{text}, which is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


# --- Files ----------------------------------------------------------------------------------------------------------


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]], *, lasting: bool = True) -> None:
    """Replace a file by one JSON object a line; `lasting` and errors as those of `write_bytes`."""
    write_text(path, "".join(dump(row) for row in rows), lasting=lasting)


def write_sealed(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace a file by one JSON object and digest a line; raises RunError as `write_bytes` does."""
    write_text(path, sealed_lines(rows))


def sealed_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return one JSON object and digest a line, as `read_rows` takes them."""
    lines, before = [], ""
    for row in rows:
        lines.append(seal(dump(row), before))
        before = claimed(lines[-1].encode())
    return "".join(lines)


def write_text(path: Path, text: str, *, lasting: bool = True) -> None:
    """Replace a file by `text` in UTF-8; `lasting` and errors as those of `write_bytes`."""
    write_bytes(path, text.encode(), lasting=lasting)


def write_bytes(path: Path, data: bytes, *, lasting: bool = True) -> None:
    """Replace a file as a whole: a reader, or a kill at any moment, finds the old file or the new one. Where it is
    `lasting`, so does who comes after the power failed; what is derived need not wait for the disk.

    Raises:
        RunError: the disk is full or read-only; the old file is untouched and the temporary one removed.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with writing(path):
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                if lasting:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    if lasting:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """See that what was renamed in a folder stays so when the power fails, as far as its file system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def append(path: Path, text: str) -> None:
    """Add one line (with its newline) by one write call.

    A torn line at the end of the file is first closed by a newline, so that it spoils no other. What a full disk let
    through of the new line is taken back.

    Raises:
        RunError: the line could not be written.
    """
    with writing(path), open(path, "a+b", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        torn = before > 0 and (file.seek(before - 1), file.read(1))[1] != b"\n"
        data = (b"\n" if torn else b"") + text.encode()
        try:
            if (written := file.write(data)) != len(data):
                raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes could be written")
        except OSError:
            with suppress(OSError):
                file.truncate(before)
            raise


def append_sealed(path: Path, row: Mapping[str, Any]) -> None:
    """Add one line with its digest, which follows from the last one in the file; raises RunError as `append` does.

    There must be one writer only.
    """
    append(path, seal(dump(row), _last_digest(path)))


def _last_digest(path: Path) -> str:
    """Return the digest of the last line of a file that has one, empty where there is none: read from the end."""
    if not path.exists():
        return ""
    with writing(path), open(path, "rb") as file:
        left, tail = file.seek(0, os.SEEK_END), b""
        while left:
            step = min(left, max(_BLOCK, len(tail)))
            left -= step
            file.seek(left)
            tail = file.read(step) + tail
            whole = tail.split(b"\n")[1 if left else 0 :]
            found = next((digest for text in reversed(whole) if (digest := claimed(text))), "")
            if found:
                return found
    return ""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError within the block into a RunError in one sentence."""
    try:
        yield
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> RunError:
    """Return the error for a path that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        do = "Free some space"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        do = "Choose a folder that you may write to"
    else:
        do = "Check the path and the disk"
    return RunError(message(f"to write {path}", f"'{error.strerror or error}'", f"{do}; what was there is untouched."))
