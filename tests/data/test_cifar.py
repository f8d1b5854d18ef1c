"""CIFAR's pickles: every protocol, old and new spellings, and what must be refused."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evobnn.data import DatasetSpec, load_test, load_train
from evobnn.data.formats.cifar import read_batch, read_pickle
from evobnn.errors import DataError

NAMES = ["airplane", "automobile", "bird"]
ROWS = 4
CIFAR10 = DatasetSpec("cifar10")
CIFAR100 = DatasetSpec("cifar100")


def batch(seed: int) -> tuple[np.ndarray, list[int]]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (ROWS, 3072), dtype=np.uint8), [seed % 3, 0, 1, 2]


def write_cifar(folder: Path, protocol: int = 4, as_bytes: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)

    def key(text: str) -> Any:
        return text.encode() if as_bytes else text

    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        data, labels = batch(number)
        content = {key("batch_label"): key(name), key("labels"): labels, key("data"): data}
        (folder / name).write_bytes(pickle.dumps(content, protocol=protocol))
    meta = {key("label_names"): [key(name) for name in NAMES], key("num_cases_per_batch"): ROWS}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=protocol))


def python2_pickle(data: np.ndarray, labels: list[int]) -> bytes:
    """Assemble by hand what Python 2 with NumPy 1 wrote in protocol 2: byte strings throughout, numpy.core names."""

    def short(text: bytes) -> bytes:
        return b"U" + bytes([len(text)]) + text

    def integer(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    dtype = b"cnumpy\ndtype\n(" + short(b"u1") + integer(0) + integer(1) + b"tR"
    dtype += b"(" + integer(3) + short(b"|") + b"NNN" + integer(-1) + integer(-1) + integer(0) + b"tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + integer(0) + b"t" + short(b"b") + b"tR"
    raw = data.tobytes()
    array += b"(" + integer(1) + b"(" + b"".join(map(integer, data.shape)) + b"t" + dtype + b"\x89"
    array += b"T" + struct.pack("<i", len(raw)) + raw + b"tb"
    entries = short(b"data") + array + short(b"labels") + b"](" + b"".join(map(integer, labels)) + b"e"
    return b"\x80\x02}(" + entries + b"u."


@pytest.mark.parametrize("as_bytes", [True, False])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_is_read(tmp_path: Path, protocol: int, as_bytes: bool) -> None:
    write_cifar(tmp_path / "cifar-10-batches-py", protocol, as_bytes)
    train, test = load_train(CIFAR10, tmp_path), load_test(CIFAR10, tmp_path)
    assert train.class_names == test.class_names == tuple(NAMES)
    assert (len(train), len(test)) == (5 * ROWS, ROWS)
    expected = np.concatenate([batch(number)[0] for number in range(5)])
    assert np.array_equal(train.images.reshape(-1, 3072), expected)
    assert np.array_equal(test.images.reshape(-1, 3072), batch(5)[0])
    assert test.labels.tolist() == batch(5)[1]


def test_the_folder_itself_will_do(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    assert load_train(CIFAR10, tmp_path).shape == (3, 32, 32)


def test_a_pickle_of_python_2_is_read(tmp_path: Path) -> None:
    data, labels = batch(1)
    (tmp_path / "data_batch_1").write_bytes(python2_pickle(data, labels))
    images, read = read_batch(tmp_path / "data_batch_1", ROWS)
    assert np.array_equal(images.reshape(ROWS, 3072), data)
    assert read.tolist() == labels


@pytest.mark.parametrize("package", [b"numpy.core", b"numpy._core"])
def test_module_paths_of_both_numpy_generations_are_admitted(tmp_path: Path, package: bytes) -> None:
    content = pickle.dumps({"a": np.arange(3), "b": np.int64(7)}, protocol=2)
    found = [name for name in (b"numpy.core", b"numpy._core") if name in content]
    assert len(found) == 1
    (tmp_path / "p").write_bytes(content.replace(found[0], package))
    read = read_pickle(tmp_path / "p")
    assert read["a"].tolist() == [0, 1, 2]
    assert read["b"] == 7


class Calls:
    """Pickles as a call of any function, as a malicious file would."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("function", [os.system, eval, getattr, np.load, np.fromfile])
def test_nothing_else_can_be_called(tmp_path: Path, function: Any, protocol: int) -> None:
    planted = tmp_path / "planted"
    arguments = {os.system: f"touch {planted}", eval: f"open({str(planted)!r}, 'w')"}
    write_cifar(tmp_path)
    evil = {b"data": Calls(function, arguments.get(function, "x")), b"labels": []}
    (tmp_path / "data_batch_3").write_bytes(pickle.dumps(evil, protocol=protocol))
    with pytest.raises(DataError, match="not allowed there") as caught:
        load_train(CIFAR10, tmp_path)
    assert str(tmp_path / "data_batch_3") in str(caught.value)
    assert not planted.exists()


def test_the_planted_call_would_have_run(tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    pickle.loads(pickle.dumps(Calls(eval, f"open({str(planted)!r}, 'w').close()")))
    assert planted.exists()


def test_arrays_of_objects_and_other_codecs_are_refused(tmp_path: Path) -> None:
    import codecs

    contents = [{"a": np.array([{}, []], dtype=object)}, {"a": Calls(codecs.encode, "x", "rot13")}]
    looped = 0
    for content in contents:
        (tmp_path / "p").write_bytes(pickle.dumps(content, protocol=2))
        with pytest.raises(DataError, match="not of plain numbers|not latin1"):
            read_pickle(tmp_path / "p")
        looped += 1
    assert looped == 2


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("data_batch_2", pickle.dumps({b"data": batch(1)[0][:3], b"labels": [0, 1, 2]}), "4 rows of 3,072 bytes"),
        ("data_batch_2", pickle.dumps({b"data": batch(1)[0], b"labels": [0, 1]}), "4 whole numbers under 'labels'"),
        ("data_batch_2", pickle.dumps({b"data": batch(1)[0], b"labels": [[0], [1, 2], 3, 4]}), "arrays of numbers"),
        ("data_batch_2", pickle.dumps({b"data": batch(1)[0], b"labels": [0, 1, 2, 3]}), "got labels from 0 to 3"),
        ("data_batch_2", pickle.dumps({b"labels": [0]}), "none named data"),
        ("data_batch_2", pickle.dumps([1, 2]), "a dictionary .*got list"),
        ("data_batch_2", pickle.dumps({b"data": batch(1)[0], b"labels": []})[:-100], "complete pickle"),
        ("batches.meta", pickle.dumps({b"label_names": []}), "'label_names' and 'num_cases_per_batch'"),
    ],
)
def test_damaged_batches_are_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    write_cifar(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        load_train(CIFAR10, tmp_path)
    assert str(tmp_path / name) in str(caught.value)


def test_missing_batches_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"10,000 rows of 3,072 bytes.*no data_batch_1 and no"):
        load_train(CIFAR10, tmp_path)
    write_cifar(tmp_path)
    (tmp_path / "test_batch").unlink()
    with pytest.raises(DataError, match="got no test_batch"):
        load_train(CIFAR10, tmp_path)


def write_cifar100(folder: Path, protocol: int = 4, as_bytes: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)

    def key(text: str) -> Any:
        return text.encode() if as_bytes else text

    for number, name in enumerate(("train", "test")):
        data, labels = batch(number + 1)
        content = {
            key("filenames"): [key(f"{n}.png") for n in range(ROWS)],
            key("coarse_labels"): [0] * ROWS,
            key("fine_labels"): labels,
            key("data"): data,
        }
        (folder / name).write_bytes(pickle.dumps(content, protocol=protocol))
    meta = {key("fine_label_names"): [key(name) for name in NAMES], key("coarse_label_names"): [key("things")]}
    (folder / "meta").write_bytes(pickle.dumps(meta, protocol=protocol))


@pytest.mark.parametrize("below", ["", "cifar-100-python"])
@pytest.mark.parametrize(("protocol", "as_bytes"), [(2, True), (4, False), (5, True)])
def test_cifar100_is_read_with_its_fine_labels(tmp_path: Path, below: str, protocol: int, as_bytes: bool) -> None:
    write_cifar100(tmp_path / below, protocol, as_bytes)
    train, test = load_train(CIFAR100, tmp_path), load_test(CIFAR100, tmp_path)
    looped = 0
    for number, part in enumerate((train, test)):
        assert np.array_equal(part.images.reshape(-1, 3072), batch(number + 1)[0])
        assert part.labels.tolist() == batch(number + 1)[1]
        assert part.class_names == tuple(NAMES)
        looped += 1
    assert looped == 2


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("train", pickle.dumps({b"data": batch(1)[0], b"labels": [0, 1, 2, 0]}), "none named fine_labels"),
        ("train", pickle.dumps({b"data": batch(1)[0], b"fine_labels": [0, 1]}), "2 rows of 3,072 bytes"),
        ("train", pickle.dumps({b"data": batch(1)[0][:0], b"fine_labels": []}), "1 rows of 3,072 bytes"),
        ("train", pickle.dumps({b"data": batch(1)[0], b"fine_labels": [0, 1, 2, 3]}), "got labels from 0 to 3"),
        ("train", pickle.dumps({b"data": Calls(eval, "1")}), "not allowed there"),
        ("meta", pickle.dumps({b"label_names": NAMES}), "'fine_label_names'"),
    ],
)
def test_damaged_files_of_cifar100_are_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    write_cifar100(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        load_train(CIFAR100, tmp_path)
    assert str(tmp_path / name) in str(caught.value)


def test_missing_files_of_cifar100_are_named(tmp_path: Path) -> None:
    write_cifar100(tmp_path)
    (tmp_path / "test").unlink()
    with pytest.raises(DataError, match="CIFAR-100's train, test, meta in .*cifar-100-python"):
        load_train(CIFAR100, tmp_path)
