"""The standard streams as the command line needs them, whatever it was started with.

* A closed one becomes the null device, with the number that it has to have: else the next file that is opened would get
  that number, and what is printed would end up in it.
* What a stream's encoding does not know is written by stand-ins.
* Where nobody reads any more (`| head -1`), output is dropped and the command goes on. A full disk is an error, once;
  on stderr nothing is one, as there is no place left to say so.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

OUTPUT = "the output"
"""What stands for the file in an error on stdout."""
STANDINS = "evobnn.standins"
"""Name of the error handler that writes them."""
_OVERRIDDEN = ("strict", "surrogateescape", "backslashreplace")
"""Error handlers that nobody asked for: the defaults. Another one was named in PYTHONIOENCODING and stays."""

_WORDS = {
    "±": "+-", "…": "...", "²": "^2", "³": "^3", "⁵": "^5", "×": "x", "≤": "<=", "≥": ">=", "→": "->", "←": "<-",
    "Σ": "sum", "Ĥ": "H", "‖": "||", "µ": "u", "·": ".", "•": "*", "°": " deg",
}  # fmt: skip
_SIGNS = {
    "-": "–—‐‑−─━═╴╶╸╺",
    "|": "│┃║",
    "+": "┌┐└┘├┤┬┴┼╭╮╰╯╔╗╚╝╠╣╦╩╬┏┓┗┛┣┫┳┻╋╞╡╪╒╕╘╛╤╧┡┩╇╢╟",
    "#": "█▉▊▋▌▍▎▏▐▓▒■",
    ".": "░▁▂▃╌╍┄┅┈┉",
    ":": "┊┋┆┇╎╏",
    "'": "‘’‚",
    '"': "“”„",
    " ": "\u00a0\u2007\u202f\u2800",
}
_STANDINS = {**_WORDS, **{other: sign for sign, others in _SIGNS.items() for other in others}}


def standin(character: str) -> str:
    """Return what stands for a character in ASCII: `+-` for ±, lines for lines, else a question mark."""
    if "\u2801" <= character <= "\u28ff":  # dots of a curve, or of what turns while one waits
        return "*"
    return _STANDINS.get(character, "?")


def spelt(text: str, encoding: str) -> str:
    """Return a text with stand-ins for what an encoding does not know."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode(encoding, STANDINS).decode(encoding, "replace")
    return text


def _handle(error: UnicodeError) -> tuple[str | bytes, int]:
    """Write a stand-in for one character, and a byte of a file's name that is no text as that byte."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return standin(character), error.start + 1


codecs.register_error(STANDINS, _handle)


class _Forgiving(io.RawIOBase):
    """A standard stream that is never an end: see above."""

    def __init__(self, number: int, *, silent: bool) -> None:
        self._number, self._silent, self._lost = number, silent, False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def write(self, data: Any, /) -> int:
        if self._lost:
            return len(data)
        try:
            return os.write(self._number, data)
        except BlockingIOError:
            raise
        except OSError as error:
            self._lost = True
            if self._silent or error.errno in (errno.EPIPE, errno.ESHUTDOWN, errno.EBADF):
                return len(data)
            raise OSError(error.errno, error.strerror, OUTPUT) from error


@contextmanager
def guarded() -> Iterator[None]:
    """Have standard streams that can be written for the length of the block."""
    _open_closed()
    before = sys.stdin, sys.stdout, sys.stderr
    errors = [getattr(stream, "errors", None) for stream in before[1:]]
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    sys.stdout, sys.stderr = _wrapped(sys.stdout, 1, silent=False), _wrapped(sys.stderr, 2, silent=True)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        sys.stdin, sys.stdout, sys.stderr = before
        for stream, error in zip(before[1:], errors, strict=True):
            if isinstance(stream, io.TextIOWrapper) and not stream.closed:
                stream.reconfigure(errors=error)


def _open_closed() -> None:
    """Open the null device in place of each of the three first files that is closed."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            got = os.open(os.devnull, os.O_RDWR)
            if got != number:
                os.dup2(got, number)
                os.close(got)
            os.set_inheritable(number, True)  # for workers too


def _wrapped(stream: TextIO | None, number: int, *, silent: bool) -> TextIO:
    """Return a stream to write to in place of a standard one; one that is no file of its own stays, with stand-ins."""
    if stream is None or stream.closed:
        return io.TextIOWrapper(_buffered(number, silent=silent), encoding="utf-8", errors=STANDINS)
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    errors = STANDINS if stream.errors in _OVERRIDDEN else stream.errors
    if type(stream) is not io.TextIOWrapper or not _is_standard(stream, number):
        stream.reconfigure(errors=errors)
        return stream
    stream.flush()
    return io.TextIOWrapper(
        _buffered(number, silent=silent),
        encoding=stream.encoding,
        errors=errors,
        line_buffering=stream.line_buffering or silent,
        write_through=stream.write_through,
    )


def _buffered(number: int, *, silent: bool) -> io.BufferedWriter:
    return io.BufferedWriter(_Forgiving(number, silent=silent))


def _is_standard(stream: io.TextIOWrapper, number: int) -> bool:
    """Tell whether a stream writes to the file with this number, and is no console of Windows, which takes UTF-16."""
    try:
        raw = getattr(stream.buffer, "raw", stream.buffer)
        return isinstance(raw, io.FileIO) and stream.fileno() == number
    except (OSError, ValueError):
        return False
