"""What files hold that show little when read naively: few of 16 bits, ink on nothing, frames, orientations, endings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evobnn._processes import EvobnnWarning
from evobnn.data import DatasetSpec, load_test, load_train, prepare
from evobnn.data.heads import Look, look
from evobnn.data.streams import stream_folder
from evobnn.errors import DataError
from evobnn.runs.final.images import listed
from tests.data.written import pixels, write, write_folder

FOLDER = DatasetSpec("folder")
SIZED = DatasetSpec("folder", size=8)
INKS = {"black": 0, "white": 255, "dark": 9, "grey": 128}


def deep(path: Path, values: np.ndarray) -> Path:
    """Write values as a file of 16 bits, PNG or TIFF by its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint16)).save(path)
    return path


def deep_folder(root: Path, bits: int, suffix: str = "png") -> dict[str, np.ndarray]:
    written = {}
    for name in "ab":
        for n in range(6):
            values = np.random.default_rng(100 * ord(name) + n).integers(0, 2**bits, (8, 8))
            values[0, 0] = 2**bits - 1
            written[str(deep(root / name / f"{n}.{suffix}", values))] = values
    return written


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_of_few_bits_the_upper_eight_are_kept(tmp_path: Path, bits: int, suffix: str) -> None:
    written = deep_folder(tmp_path / "train", bits, suffix)
    deep_folder(tmp_path / "test", bits - 1, suffix)
    with pytest.warns(
        EvobnnWarning, match=f"16-bit images hold values below {2**bits:,}: they are read as {bits} bits"
    ):
        train = load_train(FOLDER, tmp_path)
    assert np.array_equal(train.images[:, 0], np.stack([values >> (bits - 8) for values in written.values()]))
    assert train.images.max() == 255
    assert np.median(load_test(FOLDER, tmp_path).images) == pytest.approx(63, abs=15)


def test_all_of_16_bits_are_read_as_before(tmp_path: Path) -> None:
    written = deep_folder(tmp_path / "train", 16)
    deep_folder(tmp_path / "test", 16)
    train = load_train(FOLDER, tmp_path)
    assert np.array_equal(train.images[:, 0], np.stack([values >> 8 for values in written.values()]))


def test_one_bright_file_among_dark_ones_decides_for_all(tmp_path: Path) -> None:
    paths = list(deep_folder(tmp_path, 8))
    assert look(paths) == Look(8, 0, ("16-bit images hold values below 256: they are read as 8 bits.",))
    values = np.zeros((8, 8))
    values[3, 3] = 1000
    deep(Path(paths[5]), values)
    assert look(paths).bits == 10


def test_a_test_image_of_more_bits_is_refused(tmp_path: Path) -> None:
    deep_folder(tmp_path / "train", 12)
    deep_folder(tmp_path / "test", 16)
    with pytest.raises(DataError, match=r"0 to 4,095 in .*0\.png, as in the training images, got \d.* to 65,535"):
        load_test(FOLDER, tmp_path)


@pytest.mark.parametrize(
    ("values", "said"), [(-300.0, "floating-point"), (-300, "values from 0 to"), (70_000, "70,000")]
)
def test_values_that_no_grey_can_be_are_refused(tmp_path: Path, values: float, said: str) -> None:
    write_folder(tmp_path, 6, channels=1)
    odd = np.full((8, 8), values, dtype=np.float32 if isinstance(values, float) else np.int32)
    odd[0] = 5
    Image.fromarray(odd).save(tmp_path / "ant" / "odd.tif")
    with pytest.raises(DataError, match=said):
        prepare(DatasetSpec("folder", split_seed=1), tmp_path, tmp_path / "cache")


def sixteen_colours(path: Path, most: int) -> None:
    """Write a PNG of three channels of 16 bits, which Pillow does not: its chunks by hand."""
    import struct
    import zlib

    values = np.random.default_rng(0).integers(0, most + 1, (8, 8, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    head = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_colours_of_few_of_16_bits_are_refused_and_whole_ones_read(tmp_path: Path) -> None:
    for name in "ab":
        for n in range(6):
            sixteen_colours(tmp_path / name / f"{n}.png", 4095)
    with pytest.raises(DataError, match="got none above 4,095 of 65,535. Save them with 8 bits a channel"):
        load_train(FOLDER, tmp_path)
    sixteen_colours(tmp_path / "a" / "0.png", 65_535)
    for n in range(6):
        sixteen_colours(tmp_path / "b" / f"{n}.png", 65_535)
    assert load_train(FOLDER, tmp_path).shape == (3, 8, 8)


def ink(path: Path, grey: int, mode: str, shape: np.ndarray) -> None:
    """Write ink of a grey value on transparent ground: `shape` is the alpha channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    alpha = Image.fromarray(shape)
    if mode == "P":
        image = Image.fromarray((shape > 127).astype(np.uint8)).convert("P")
        image.putpalette([200, 200, 200, grey, grey, grey])
        image.save(path, transparency=0)
        return
    image = Image.new(mode, alpha.size, (grey,) * (len(mode) - 1) + (0,))
    image.putalpha(alpha)
    image.save(path)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
@pytest.mark.parametrize(("name", "paper"), [("black", 255), ("dark", 255), ("white", 0), ("grey", 0)])
def test_ink_on_nothing_is_seen(tmp_path: Path, name: str, paper: int, mode: str) -> None:
    shapes = {}
    for number, path in enumerate(f"{c}/{n}.png" for c in "ab" for n in range(6)):
        shapes[path] = pixels(number, channels=1) // 128 * 255
        ink(tmp_path / "train" / path, INKS[name], mode, shapes[path])
    ink(tmp_path / "test" / "a" / "1.png", INKS[name], mode, shapes["a/0.png"])
    if paper:
        with pytest.warns(EvobnnWarning, match="^12 of 12 transparent images .* laid on white instead of black.$"):
            train = load_train(FOLDER, tmp_path)
    else:
        train = load_train(FOLDER, tmp_path)
    wanted = np.where(np.stack(list(shapes.values())) > 0, INKS[name], paper)
    assert np.array_equal(train.images[:, 0], wanted)
    assert np.array_equal(load_test(FOLDER, tmp_path).images[0], train.images[0])


def test_ink_of_both_colours_lies_on_grey_and_rare_black_ink_is_said(tmp_path: Path) -> None:
    for number, path in enumerate(f"{c}/{n:02d}.png" for c in "ab" for n in range(20)):
        ink(tmp_path / path, 0 if number % 2 else 255, "LA", pixels(number, channels=1) // 128 * 255)
    paths = sorted(map(str, tmp_path.rglob("*.png")))
    assert len(paths) == 40
    assert look(paths) == Look(
        16, 128, ("20 of 40 transparent images looked at are black on nothing: all are laid on grey instead of black.",)
    )
    for path in paths[1:-1]:
        ink(Path(path), 200, "LA", pixels(5, channels=1) // 128 * 255)
    found = look(paths)
    assert (found.paper, len(found.notes)) == (0, 1)
    assert "1 of 40 transparent images" in found.notes[0] and "on black, on which 1 are hardly seen" in found.notes[0]


def test_opaque_and_wholly_transparent_files_change_nothing(tmp_path: Path) -> None:
    for n in range(4):
        write(tmp_path / f"{n}.png", np.dstack([pixels(n) // 64, np.full((8, 8), 255, np.uint8)]))
        write(tmp_path / f"clear{n}.png", np.dstack([pixels(n), np.zeros((8, 8), np.uint8)]))
    assert look(sorted(map(str, tmp_path.glob("*.png")))) == Look()


@pytest.mark.parametrize("suffix", ["tif", "tiff", "gif", "jfif", "pgm", "ppm", "TIFF", "pnm"])
def test_files_of_further_endings_are_read(tmp_path: Path, suffix: str) -> None:
    channels = 3 if suffix == "ppm" else 1
    arrays = [pixels(n, channels=channels) for n in range(12)]
    for number, array in enumerate(arrays):
        smooth = np.full_like(array, 20 * number) if suffix == "jfif" else array
        arrays[number] = smooth
        write(tmp_path / "train" / "ab"[number // 6] / f"{number:02d}.{suffix}", smooth)
    write(tmp_path / "test" / "a" / f"1.{suffix}", arrays[0])
    train = load_train(FOLDER, tmp_path)
    wanted = np.stack(arrays).reshape(12, 8, 8, channels).transpose(0, 3, 1, 2)
    assert np.abs(train.images.astype(int) - wanted).max() <= (1 if suffix == "jfif" else 0)


@pytest.mark.parametrize("suffix", ["gif", "tif"])
def test_of_several_frames_the_first_is_taken_and_that_is_said(tmp_path: Path, suffix: str) -> None:
    write_folder(tmp_path / "train", 3, channels=1)
    write_folder(tmp_path / "test", 1)
    frames = [Image.fromarray(pixels(n, channels=1)) for n in (70, 71)]
    frames[0].save(tmp_path / "train" / "ant" / f"0.{suffix}", save_all=True, append_images=frames[1:])
    with pytest.warns(EvobnnWarning, match="^1 of 10 training images hold several frames; the first is taken.$"):
        train = load_train(FOLDER, tmp_path)
    assert np.array_equal(train.images[0, 0], pixels(70, channels=1))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_orientation_tags_are_not_followed_and_that_is_said(tmp_path: Path, suffix: str) -> None:
    write_folder(tmp_path / "train", 3, channels=1)
    write_folder(tmp_path / "test", 1)
    exif = Image.Exif()
    exif[274] = 6
    array = np.repeat(np.repeat(pixels(3, 2, 2, channels=1) // 2, 4, axis=0), 4, axis=1)
    write(tmp_path / "train" / "ant" / f"0.{suffix}", array, exif=exif, quality=100)
    exif[274] = 1
    write(tmp_path / "train" / "ant" / f"1.{suffix}", array, exif=exif)
    with pytest.warns(
        EvobnnWarning, match="^1 of 11 training images carry an orientation tag; all are taken as stored"
    ):
        train = load_train(FOLDER, tmp_path)
    assert np.abs(train.images[0, 0].astype(int) - array).max() <= 6


@pytest.mark.filterwarnings("ignore::evobnn._processes.EvobnnWarning")
def test_what_is_read_in_another_way_has_another_fingerprint_streamed_too(tmp_path: Path) -> None:
    deep_folder(tmp_path / "train", 16)
    deep_folder(tmp_path / "test", 8)
    whole = listed(SIZED, tmp_path).fingerprint
    for path in (tmp_path / "train").rglob("*.png"):
        values = np.asarray(Image.open(path)) >> 4
        size = path.stat().st_size
        deep(path, values)
        path.write_bytes(path.read_bytes().ljust(size, b"\0")[:size])  # a list of names and sizes sees no difference
    assert look(sorted(map(str, (tmp_path / "train").rglob("*.png")))).bits == 12
    assert listed(SIZED, tmp_path).fingerprint != whole


def test_a_stream_says_what_a_prepared_set_says(tmp_path: Path) -> None:
    deep_folder(tmp_path / "set" / "train", 12)
    deep_folder(tmp_path / "set" / "test", 12)
    with pytest.warns(EvobnnWarning, match="12 bits"):
        stream = stream_folder(SIZED, tmp_path / "set")
    assert float(stream.mean[0]) == pytest.approx(127, abs=12)
    looped = 0
    for _ in range(2):  # made, and found made
        with pytest.warns(EvobnnWarning, match="12 bits"):
            prepare(SIZED, tmp_path / "set", tmp_path / "cache")
        looped += 1
    assert looped == 2
