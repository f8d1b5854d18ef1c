"""Constants as C."""

from __future__ import annotations

import numpy as np

from evobnn.deploy.ops import Array

NEVER = np.float32(np.finfo(np.float32).max)
"""Stands for infinity, which C99 has no constant for: no sum of a network comes near."""

TYPES = {"float32": "float", "uint32": "uint32_t", "uint16": "uint16_t", "uint8": "uint8_t"}


def number(value: float) -> str:
    """Return a float32 number as a C constant that reads back as the same number."""
    text = f"{np.clip(np.float32(value), -NEVER, NEVER):.9g}"
    return text + ("f" if any(mark in text for mark in ".e") else ".0f")


def constant(name: str, values: Array) -> str:
    """Return `static const … name[n] = {…};` for an array of one of `TYPES`."""
    flat = values.reshape(-1)
    if flat.dtype == np.float32:
        items = [number(value) for value in flat]
    else:
        items = [hex(value) if flat.dtype != np.uint16 else str(value) for value in flat.tolist()]
    each = 8 if flat.dtype == np.float32 else 12
    lines = [", ".join(items[at : at + each]) for at in range(0, len(items), each)]
    body = ",\n    ".join(lines)
    return f"static const {TYPES[flat.dtype.name]} {name}[{len(items)}] = {{\n    {body}}};\n"


def comment(text: str) -> str:
    """Return text that cannot end a C comment, nor leave its line."""
    shown = " ".join(text.replace("*/", "* /").replace("/*", "/ *").split())
    return shown.encode("ascii", "backslashreplace").decode().replace("??", "? ?")


def string(text: str) -> str:
    """Return text as a C string constant."""
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in text.encode()
    )
    return f'"{plain}"'
