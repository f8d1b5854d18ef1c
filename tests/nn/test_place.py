"""Where compiled loops are kept: the first folder that can be written, and none that others can write."""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from evobnn.nn.fast import place as module
from evobnn.nn.fast.place import NOWHERE, Place, edition, place

Found = Callable[[], Place]


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Found:
    """Choose anew, with a home, a folder for temporary files and a package below `tmp_path`, all to be written."""
    for name in ("home", "tmp", "package"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("EVOBNN_CACHE", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(module, "BESIDE", tmp_path / "package")
    return place.__wrapped__


def closed(folder: Path) -> None:
    """Let nothing be written to a folder, for root neither: a file stands where it would be."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("")


def test_beside_the_package(found: Found, tmp_path: Path) -> None:
    assert found() == Place(tmp_path / "package" / "__pycache__")


def test_where_the_user_said(found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "own" / "deep"))
    assert found() == Place(tmp_path / "own" / "deep")


def test_what_the_user_said_cannot_be(found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed(tmp_path / "file")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    chosen = found()
    assert chosen.folder == tmp_path / "package" / "__pycache__"
    assert chosen.said.startswith(f"NUMBA_CACHE_DIR names {tmp_path / 'file'}, which is no folder that can be written")


def test_a_package_that_cannot_be_written(found: Found, tmp_path: Path) -> None:
    closed(tmp_path / "package" / "__pycache__")
    chosen = found()
    assert chosen == Place(tmp_path / "home" / ".cache" / "evobnn" / "loops")
    assert chosen.folder is not None and stat.S_IMODE(chosen.folder.stat().st_mode) == 0o700


def test_the_folder_of_prepared_images(found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed(tmp_path / "package" / "__pycache__")
    monkeypatch.setenv("EVOBNN_CACHE", str(tmp_path / "images"))
    assert found().folder == tmp_path / "images" / "loops"


def test_no_home(found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed(tmp_path / "package" / "__pycache__")
    closed(tmp_path / "nobody")
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    folder = found().folder
    assert folder is not None and folder.parent.parent == tmp_path / "tmp" and folder.name == "loops"


@pytest.mark.parametrize("trouble", ["everybody", "group", "link", "above", "foreign"])
def test_a_folder_that_others_can_write(
    found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    closed(tmp_path / "package" / "__pycache__")
    folder = tmp_path / "home" / ".cache" / "evobnn" / "loops"
    folder.parent.mkdir(parents=True)
    if trouble == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir(mode=0o700)
        assert found().folder == folder  # it is the trouble that makes the difference
    if trouble in ("everybody", "group"):
        folder.chmod(0o777 if trouble == "everybody" else 0o770)
    if trouble == "above":
        folder.parent.chmod(0o777)
    if trouble == "foreign":
        own = module.os.getuid()
        monkeypatch.setattr(module.os, "getuid", lambda: own + 1)
    chosen = found().folder
    assert chosen is None if trouble == "foreign" else chosen is not None and tmp_path / "tmp" in chosen.parents


def test_nowhere(found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("package/__pycache__", "nobody", "none"):
        closed(tmp_path / name)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    assert found() == Place(None, said=NOWHERE)


def test_an_edition_is_of_every_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in module.SOURCES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "place.py"))
    before = edition.__wrapped__()
    assert edition.__wrapped__() == before and len(module.SOURCES) == 9
    for name in module.SOURCES:
        (tmp_path / f"{name}.py").write_text("changed = 1")
        after = edition.__wrapped__()
        assert after != before
        before = after


def test_every_module_of_loops_is_a_source() -> None:
    folder = Path(module.__file__).parent
    using = [path for path in folder.rglob("*.py") if "import njit" in path.read_text() or path.stem == "kept"]
    assert sorted(str(path.relative_to(folder).with_suffix("")) for path in using) == sorted(module.SOURCES)


class Usage:
    total, free = 2**30, module.ROOM - 1


def test_a_full_disk(found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one is taken, and said, unless everything is in it already."""
    full, usage = tmp_path / "full", module.shutil.disk_usage
    monkeypatch.setattr(
        module.shutil, "disk_usage", lambda path: Usage if full in [path, *path.parents] else usage(path)
    )
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(full))
    chosen = found()
    assert chosen.folder == tmp_path / "package" / "__pycache__"
    assert chosen.said.startswith(f"NUMBA_CACHE_DIR names {full}, which has no room for them; ")
    (full / edition()).mkdir()
    assert found() == chosen
    (full / edition() / "0123.all").touch()
    assert found() == Place(full)
