"""The batches of CIFAR-10 and CIFAR-100: pickles of NumPy arrays, read by an unpickler that can build nothing else.

A pickle is a program: `pickle.load` on a file from elsewhere runs whatever it names. Here a pickle may name only the
few constructors that an array of plain numbers needs, under the module paths of old and new NumPy, protocols 2 to 5.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evobnn.errors import DataError, message

ROW_BYTES = 3 * 32 * 32
_AGAIN = "Unpack the publisher's archive (cifar-10-python.tar.gz or cifar-100-python.tar.gz) again."


def _plain_dtype(code: str | bytes, *flags: Any) -> np.dtype[Any]:
    dtype = np.dtype(code.decode("ascii") if isinstance(code, bytes) else code)
    if dtype.kind not in "iufb":
        raise pickle.UnpicklingError(f"an array of {dtype}, not of plain numbers")
    return dtype


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes encoded as {encoding!r}, not latin1")
    return text.encode("latin1")


def _admitted() -> dict[tuple[str, str], Any]:
    # NumPy's own unpickling helpers are private by name; an array's own __reduce__ tells where they are.
    multiarray = np.zeros(1).__reduce__()[0]
    scalar = np.uint8(1).__reduce__()[0]
    from_buffer = np.zeros(1).__reduce_ex__(5)[0]
    admitted: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): _plain_dtype,
        ("_codecs", "encode"): _latin1,
    }
    for package in ("numpy.core", "numpy._core"):
        admitted[f"{package}.multiarray", "_reconstruct"] = multiarray
        admitted[f"{package}.multiarray", "scalar"] = scalar
        admitted[f"{package}.numeric", "_frombuffer"] = from_buffer
    return admitted


_ADMITTED = _admitted()


class ArrayUnpickler(pickle.Unpickler):
    """Unpickler for containers, text, numbers and NumPy arrays of plain numbers; anything else is refused by name."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the admitted constructor; raise UnpicklingError for every other name."""
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"the name {module}.{name}, which is not allowed there") from None


def read_pickle(path: Path) -> dict[str, Any]:
    """Return the dictionary in a CIFAR pickle with its keys as text, whichever of bytes or str they were stored as.

    Raises DataError naming the file where it is damaged, is no dictionary, or names anything that is not admitted.
    """
    try:
        content = ArrayUnpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except Exception as error:  # a damaged pickle is a damaged program: it can fail in any way
        wanted = f"a complete pickle of NumPy arrays in {path}"
        raise DataError(message(wanted, f"{type(error).__name__}: {error}", _AGAIN)) from error
    if not isinstance(content, dict):
        raise DataError(message(f"a dictionary in {path}", type(content).__name__, _AGAIN))
    return {_text(key): value for key, value in content.items()}


def read_class_names(path: Path) -> tuple[tuple[str, ...], int]:
    """Return the class names and the number of rows in each batch from `batches.meta`."""
    meta = read_pickle(path)
    names, rows = meta.get("label_names"), meta.get("num_cases_per_batch", 10_000)
    if not isinstance(names, list) or not names or not isinstance(rows, int):
        raise DataError(message(f"'label_names' and 'num_cases_per_batch' in {path}", ", ".join(meta), _AGAIN))
    return tuple(_text(name) for name in names), rows


def read_fine_names(path: Path) -> tuple[str, ...]:
    """Return the names of the fine classes from CIFAR-100's `meta`."""
    meta = read_pickle(path)
    names = meta.get("fine_label_names")
    if not isinstance(names, list) or not names:
        raise DataError(message(f"'fine_label_names' in {path}", ", ".join(meta), _AGAIN))
    return tuple(_text(name) for name in names)


def read_batch(
    path: Path, rows: int | None, key: str = "labels"
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return uint8 images (rows, 3, 32, 32) and int64 labels (rows,), kept under `key`, of one batch.

    Raises DataError naming the file where it does not hold `rows` rows of 3,072 bytes with as many labels; for None as
    many rows as labels, and at least one.
    """
    batch = read_pickle(path)
    missing = [wanted for wanted in ("data", key) if wanted not in batch]
    if missing:
        raise DataError(
            message(f"the keys 'data' and '{key}' in {path}", f"none named {' and '.join(missing)}", _AGAIN)
        )
    try:
        data, labels = np.asarray(batch["data"]), np.asarray(batch[key])
    except ValueError as error:
        raise DataError(message(f"arrays of numbers in {path}", str(error), _AGAIN)) from error
    rows = max(1, labels.size) if rows is None else rows
    if data.dtype != np.uint8 or data.shape != (rows, ROW_BYTES):
        wanted = f"{rows:,} rows of {ROW_BYTES:,} bytes under 'data' in {path}"
        raise DataError(message(wanted, f"{data.dtype} of shape {data.shape}", _AGAIN))
    if labels.dtype.kind not in "iu" or labels.shape != (rows,):
        wanted = f"{rows:,} whole numbers under '{key}' in {path}"
        raise DataError(message(wanted, f"{labels.dtype} of shape {labels.shape}", _AGAIN))
    return data.reshape(rows, 3, 32, 32), labels.astype(np.int64)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
