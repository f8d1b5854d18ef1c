"""Digests that stand in the very text or file that they are taken over, so that damage is found on reading.

A JSON object of text ends with `"sha"`, over all that stands before it and the digest of the text before, if this is
one line of several. A file of tensors has its digest in the metadata, over all of its bytes with zeros in that place.
They are against bad disks, torn copies and editors, not against people who want to deceive.
"""

from __future__ import annotations

import hashlib
import json
import re

_OBJECT = re.compile(rb',\n? "sha": "([0-9a-f]{12})"\n?\}\n?\Z')
_LONGEST = 40
_PLACE = "sha256"
_NONE = b"0" * 64
_HEAD = b'{"__metadata__":{"sha256":"'

UNSEALED = {_PLACE: _NONE.decode()}
"""The metadata with which tensors are packed that `seal_tensors` is to seal."""


def seal(text: str, before: str = "") -> str:
    """Return a JSON object, on one line or indented by 1, with its digest as last field; it ends with a newline.

    Arguments:
        text: of an object with at least one field, and a newline.
        before: the digest of the line before; empty for the first, and where a text stands alone.
    """
    indented = text.endswith("\n}\n")
    head = text[: -3 if indented else -2]
    gap, end = (",\n ", "\n}\n") if indented else (", ", "}\n")
    return f'{head}{gap}"sha": "{_digest(head.encode(), before)}"{end}'


def claimed(text: bytes) -> str:
    """Return the digest that a text ends with, whether it fits or not; empty where there is none."""
    found = _OBJECT.search(text, max(0, len(text) - _LONGEST))
    return found[1].decode() if found else ""


def verify(text: bytes, before: str = "") -> None:
    """Raise ValueError unless a text ends with the digest that fits it and the one before."""
    found = _OBJECT.search(text, max(0, len(text) - _LONGEST))
    if found is None:
        raise ValueError("no digest at its end")
    if found[1].decode() != _digest(text[: found.start()], before):
        raise ValueError("a digest that does not fit: something was changed, lost, added or moved here")


def seal_tensors(packed: bytes) -> bytes:
    """Return a file of tensors, packed with the metadata `UNSEALED`, with its digest; raise ValueError for another."""
    place = _place(packed)
    if place is None or packed[place : place + 64] != _NONE:
        raise ValueError("a file that was not packed to be sealed")
    return packed[:place] + hashlib.sha256(packed).hexdigest().encode() + packed[place + 64 :]


def with_text(packed: bytes, name: str, text: str) -> bytes:
    """Return a file of tensors, packed with the metadata `UNSEALED`, with a text among its metadata, behind the digest.

    safetensors writes several texts in any order; here equal tensors and texts give equal bytes. Raises ValueError for
    another file.
    """
    place = _place(packed)
    if place is None:
        raise ValueError("a file that was not packed to be sealed")
    start, end = place + 65, 8 + int.from_bytes(packed[:8], "little")
    head = packed[8:start] + f",{json.dumps(name)}:{json.dumps(text)}".encode() + packed[start:end].rstrip(b" ")
    head += b" " * (-len(head) % 8)  # tensors begin at a multiple of 8
    return len(head).to_bytes(8, "little") + head + packed[end:]


def text_in(data: bytes, name: str) -> str | None:
    """Return a text among the metadata of a file of tensors that is verified, or None where it has none."""
    head = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    found = head.get("__metadata__", {}).get(name)
    return None if found is None else str(found)


def verify_tensors(data: bytes, *, due: bool = False) -> None:
    """Raise ValueError where a file of tensors does not fit its digest, or has none and one is `due`.

    One without metadata is from before digests, unless what stands beside it says otherwise.
    """
    place = _place(data)
    if place is None:
        length = int.from_bytes(data[:8], "little")
        if b"__metadata__" in data[8 : 8 + length]:
            raise ValueError("metadata without a digest")
        if due:
            raise ValueError("no digest, where one was written")
        return
    blank = data[:place] + _NONE + data[place + 64 :]
    if hashlib.sha256(blank).hexdigest().encode() != data[place : place + 64]:
        raise ValueError("a digest that does not fit: something was changed here")


def _place(data: bytes) -> int | None:
    """Return where the digest of a file of tensors stands, or None where it has none."""
    return 8 + len(_HEAD) if data[8 : 8 + len(_HEAD)] == _HEAD else None


def _digest(head: bytes, before: str) -> str:
    return hashlib.sha256(before.encode() + b"\n" + head).hexdigest()[:12]
