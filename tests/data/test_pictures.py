"""Image files as arrays: modes, sizes and damage, against the pixels written and an independent resampling."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evobnn.data.dataset import DatasetSpec
from evobnn.data.formats.pictures import DamagedImageError, Frame, decode, pictures
from evobnn.data.sources import decoded_bytes, load_test, load_train
from evobnn.errors import DataError
from tests.data.written import CLASSES, damage, pixels, write, write_folder

FOLDER = DatasetSpec("folder")


def grey(height: int = 8, width: int = 8) -> Frame:
    return Frame("L", height, width, False)


def colour(height: int = 8, width: int = 8) -> Frame:
    return Frame("RGB", height, width, False)


def stored_mode(path: Path) -> str:
    with Image.open(path) as image:
        return image.mode


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp"])
def test_lossless_files_give_the_pixels_written(tmp_path: Path, suffix: str) -> None:
    array = pixels(1, 6, 9)
    path = write(tmp_path / f"image.{suffix}", array, **({"lossless": True} if suffix == "webp" else {}))
    read = decode(str(path), colour(6, 9))
    assert read.dtype == np.uint8 and read.flags.c_contiguous and read.flags.writeable
    assert np.array_equal(read, array.transpose(2, 0, 1))


def test_jpeg_gives_what_pillow_decodes_and_nearly_what_was_written(tmp_path: Path) -> None:
    array = np.linspace(0, 255, 16 * 16 * 3).reshape(16, 16, 3).astype(np.uint8)
    path = write(tmp_path / "image.jpg", array, quality=95)
    read = decode(str(path), colour(16, 16)).transpose(1, 2, 0)
    assert np.array_equal(read, np.asarray(Image.open(path)))
    assert np.abs(read.astype(int) - array).max() <= 8


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_grey_files_give_one_channel(tmp_path: Path, suffix: str) -> None:
    array = pixels(2, channels=1)
    assert np.array_equal(decode(str(write(tmp_path / f"image.{suffix}", array)), grey()), array[None])
    bits = (array > 127).astype(np.uint8) * 255
    assert np.array_equal(decode(str(write(tmp_path / f"bits.{suffix}", bits, "1")), grey()), bits[None])


def test_of_16_bits_the_upper_eight_are_kept(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 65536, (8, 8), dtype=np.uint16)
    array[0, :3] = 0, 255, 65535
    path = write(tmp_path / "deep.png", array)
    assert stored_mode(path) == "I;16"
    assert np.array_equal(decode(str(path), grey()), (array // 256)[None])


def test_what_is_transparent_lies_on_black(tmp_path: Path) -> None:
    array, alpha = pixels(3), pixels(4, channels=1)
    alpha[0], alpha[1] = 0, 255
    path = write(tmp_path / "clear.png", np.dstack([array, alpha]))
    expected = array * (alpha[:, :, None] / 255)
    read = decode(str(path), colour()).transpose(1, 2, 0)
    assert np.abs(read - expected).max() <= 1
    assert not read[0].any() and np.array_equal(read[1], array[1])
    pale = write(tmp_path / "pale.png", np.dstack([array[:, :, 0], alpha]))
    assert stored_mode(pale) == "LA"
    assert np.abs(decode(str(pale), grey())[0] - expected[:, :, 0]).max() <= 1


def test_palettes_are_colour_and_may_be_transparent(tmp_path: Path) -> None:
    indexed = Image.fromarray(pixels(5, channels=1) % 4, "L").convert("P")
    indexed.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 255, 0, 255])
    indexed.save(tmp_path / "opaque.png")
    indexed.save(tmp_path / "clear.png", transparency=bytes([0, 255, 255, 255]))
    table = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90], [255, 0, 255]], dtype=np.uint8)
    expected = table[np.asarray(indexed)].transpose(2, 0, 1)
    assert np.array_equal(decode(str(tmp_path / "opaque.png"), colour()), expected)
    table[0] = 0
    expected = table[np.asarray(indexed)].transpose(2, 0, 1)
    assert np.array_equal(decode(str(tmp_path / "clear.png"), colour()), expected)


def test_one_colour_file_makes_the_set_colour(tmp_path: Path) -> None:
    written = write_folder(tmp_path / "train", channels=1)
    write_folder(tmp_path / "test", 2, channels=1)
    assert load_train(FOLDER, tmp_path).shape == (1, 8, 8)
    write(tmp_path / "train" / "cat" / "zz.png", pixels(6))
    train, test = load_train(FOLDER, tmp_path), load_test(FOLDER, tmp_path)
    assert train.shape == test.shape == (3, 8, 8)
    first = next(iter(written.values()))[0]
    assert np.array_equal(train.images[0], np.stack([first] * 3))


def test_a_colour_test_image_of_a_grey_set_becomes_grey(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", channels=1)
    array = pixels(7)
    write(tmp_path / "test" / "ant" / "1.png", array)
    luma = array @ np.array([0.299, 0.587, 0.114])
    assert np.abs(load_test(FOLDER, tmp_path).images[0, 0] - luma).max() <= 1


def test_both_parts_are_read_in_order_of_class_and_name(tmp_path: Path) -> None:
    wanted = [write_folder(tmp_path / "train", 300), write_folder(tmp_path / "test", 2, first=500)]
    looped = 0
    for part, images in zip((load_train(FOLDER, tmp_path), load_test(FOLDER, tmp_path)), wanted, strict=True):
        assert np.array_equal(part.images, np.stack([images[path] for path in sorted(images)]))
        assert part.labels.tolist() == [n * 3 // len(images) for n in range(len(images))]
        assert part.class_names == CLASSES
        looped += 1
    assert looped == 2


def triangle(old: int, side: int, start: float, new: int) -> np.ndarray:
    """Return the weights (new, old) of a bilinear filter over `side` pixels from `start`, widened to average."""
    scale = side / new
    reach = max(scale, 1.0)
    centres = start + (np.arange(new) + 0.5) * scale
    weights = np.clip(1 - np.abs(np.arange(old) + 0.5 - centres[:, None]) / reach, 0, None)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("height", "width", "size"), [(24, 31, 8), (31, 24, 8), (9, 6, 12), (8, 8, 8), (16, 33, 5)])
def test_dataset_size_resamples_the_shorter_side_and_keeps_the_centre(
    tmp_path: Path, height: int, width: int, size: int
) -> None:
    array = pixels(8, height, width)
    path = write(tmp_path / "image.png", array)
    side = min(height, width)
    rows = triangle(height, side, (height - side) / 2, size)
    columns = triangle(width, side, (width - side) / 2, size)
    expected = np.einsum("ih,hwc,jw->cij", rows, array, columns)
    read = decode(str(path), Frame("RGB", size, size, True))
    assert read.shape == (3, size, size)
    assert np.abs(read - expected).max() <= 1.01


def test_images_of_several_sizes_need_a_size(tmp_path: Path) -> None:
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "test", 2)
    odd = write(tmp_path / "train" / "bee" / "odd.png", pixels(9, 8, 10))
    with pytest.raises(DataError, match=r"images of one size .*got 8x8 in .*000\.png and 10x8 in .*Give dataset\.size"):
        load_train(FOLDER, tmp_path)
    assert load_train(DatasetSpec("folder", size=6), tmp_path).shape == (3, 6, 6)
    odd.rename(tmp_path / "test" / "bee" / "odd.png")
    assert load_train(FOLDER, tmp_path).shape == (3, 8, 8)
    with pytest.raises(DataError, match=r"got 8x8 elsewhere and 10x8 in .*test.bee.odd\.png"):
        load_test(FOLDER, tmp_path)


def truncated(format: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels(10, 64, 64)).save(file, format)
    return file.getvalue()[: len(file.getvalue()) // 2]


DAMAGE = [b"", b"text", b"\x89PNG\r\n\x1a\n", truncated("PNG"), truncated("JPEG"), truncated("BMP"), truncated("WEBP")]


@pytest.mark.parametrize("content", DAMAGE)
def test_a_damaged_image_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(DamagedImageError, match=r"broken\.png.*dataset\.skip_damaged = true"):
        decode(str(path), colour(64, 64))


@pytest.mark.parametrize("content", [DAMAGE[1], DAMAGE[3]])
def test_damaged_images_are_skipped_only_on_request(tmp_path: Path, content: bytes) -> None:
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "test", 2)
    whole = load_train(FOLDER, tmp_path)
    broken = [tmp_path / "train" / "ant" / "000.png", tmp_path / "train" / "bee" / "003.png"]
    for path in broken:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"ant.000\.png"):
        load_train(FOLDER, tmp_path)
    with pytest.warns(UserWarning, match=r"^2 of 30 images .* left out: .*ant.000\.png, .*bee.003\.png\.$"):
        left = load_train(DatasetSpec("folder", size=0 if content == b"text" else 8, skip_damaged=True), tmp_path)
    kept = [n for n in range(30) if n not in (0, 13)]
    assert np.array_equal(left.images, whole.images[kept])
    assert np.array_equal(left.labels, whole.labels[kept])


def test_many_skipped_images_are_counted_and_some_named(tmp_path: Path) -> None:
    write_folder(tmp_path, 40)
    for n in range(20):
        damage(tmp_path / "cat" / f"{n:03d}.png")
    with pytest.warns(UserWarning, match=r"^1\d of 96 images .* and \d more\.$"):
        load_train(DatasetSpec("folder", skip_damaged=True), tmp_path)


def test_nothing_but_damage_is_an_error(tmp_path: Path) -> None:
    for path in write_folder(tmp_path):
        Path(path).write_bytes(b"text")
    with pytest.raises(DataError, match="images that can be decoded, got none among 24"):
        load_train(DatasetSpec("folder", skip_damaged=True), tmp_path)


def test_the_bytes_of_a_decoded_set_are_known_before_it_is_decoded(tmp_path: Path) -> None:
    for path in write_folder(tmp_path, 50):
        damage(Path(path))
    assert decoded_bytes(FOLDER, tmp_path) == decoded_bytes(FOLDER, tmp_path, whole=True) == 120 * 3 * 64
    limited = DatasetSpec("folder", size=5, train_limit=20, validation_limit=10)
    assert decoded_bytes(limited, tmp_path) == 30 * 3 * 25
    assert decoded_bytes(limited, tmp_path, whole=True) == 120 * 3 * 25
    assert decoded_bytes(DatasetSpec()) == 0


def test_selected_pictures_keep_their_labels(tmp_path: Path) -> None:
    write_folder(tmp_path)
    train, test = pictures(tmp_path, FOLDER)
    chosen = train.select(np.array([5, 2]))
    assert chosen.files.paths == (train.files.paths[5], train.files.paths[2])
    assert chosen.labels.tolist() == train.labels[[5, 2]].tolist()
    assert (len(train), len(test), len(chosen), chosen.bytes) == (24, 6, 2, 2 * 3 * 64)
