"""Augmentations by name, each against a version in NumPy that works pixel by pixel or in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from evobnn._seeding import generator as numpy_generator
from evobnn.data.augment import augmentation, cutout, jitter, mixup
from evobnn.data.batches import Augmentation, flip, shift, unchanged
from evobnn.errors import ExperimentError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_of(count: int, channels: int = 3, height: int = 7, width: int = 5, least: int = 1) -> Tensor:
    pixels = np.random.default_rng(0).integers(least, 256, (count, channels, height, width), dtype=np.uint8)
    return torch.from_numpy(pixels)


def test_the_six_old_names_draw_as_before() -> None:
    batch = batch_of(40)
    looped = 0
    olds: dict[str, Augmentation] = {
        "none": unchanged,
        **{f"shift{by}": lambda batch, generator, by=by: shift(batch, by, generator) for by in (1, 2, 4)},
        "flip": flip,
        "shift4-flip": lambda batch, generator: flip(shift(batch, 4, generator), generator),
    }
    for name, old in olds.items():
        new, expected = seeded(3), seeded(3)
        assert torch.equal(augmentation(name)(batch, new), old(batch, expected))
        assert torch.equal(new.get_state(), expected.get_state())
        looped += 1
    assert looped == 6


def test_parts_follow_one_another_and_share_the_generator() -> None:
    batch, generator = batch_of(30), seeded(5)
    expected = jitter(cutout(flip(shift(batch, 3, generator), generator), 2, generator), 0.25, generator)
    assert torch.equal(augmentation("shift3-flip-cutout2-jitter25")(batch, seeded(5)), expected)


def test_shift_of_any_size_moves_whole_images() -> None:
    batch = batch_of(50)
    offsets = torch.randint(0, 7, (50, 2), generator=seeded(9)).numpy()
    padded = np.pad(batch.numpy(), ((0, 0), (0, 0), (3, 3), (3, 3)))
    moved = augmentation("shift3")(batch, seeded(9)).numpy()
    looped = 0
    for n, (row, column) in enumerate(offsets):
        assert np.array_equal(moved[n], padded[n, :, row : row + 7, column : column + 5])
        looped += 1
    assert looped == 50


@pytest.mark.parametrize(
    ("pixels", "fill"), [(1, None), (2, None), (3, [10.4, 20.5, 30.6]), (4, None), (40, [1, 2, 3])]
)
def test_cutout_blanks_one_square_which_may_hang_over(pixels: int, fill: list[float] | None) -> None:
    batch, generator = batch_of(60), seeded(2)
    rows = torch.randint(0, 7, (60,), generator=generator).tolist()
    columns = torch.randint(0, 5, (60,), generator=generator).tolist()
    expected = batch.numpy().copy()
    colour = [0, 0, 0] if fill is None else [round(value) for value in fill]
    for n, (row, column) in enumerate(zip(rows, columns, strict=True)):
        for y in range(row - pixels // 2, row - pixels // 2 + pixels):
            for x in range(column - pixels // 2, column - pixels // 2 + pixels):
                if 0 <= y < 7 and 0 <= x < 5:
                    expected[n, :, y, x] = colour
    mean = None if fill is None else torch.tensor(fill)
    found = augmentation(f"cutout{pixels}", mean)(batch, seeded(2))
    assert found.dtype == torch.uint8
    assert np.array_equal(found.numpy(), expected)
    assert {*rows} == set(range(7)) and {*columns} == set(range(5))


def numpy_jitter(image: np.ndarray, factors: list[float]) -> np.ndarray:
    """Change one image of shape (C, H, W) in double precision."""

    def grey(x: np.ndarray) -> np.ndarray:
        return 0.299 * x[0] + 0.587 * x[1] + 0.114 * x[2] if len(x) == 3 else x.mean(axis=0)

    x = np.clip(image * factors[0], 0, 255)
    x = np.clip(grey(x).mean() + factors[1] * (x - grey(x).mean()), 0, 255)
    if len(image) == 3:
        x = np.clip(grey(x) + factors[2] * (x - grey(x)), 0, 255)
    return x


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("percent", [1, 40, 100])
def test_jitter_changes_brightness_contrast_and_saturation(channels: int, percent: int) -> None:
    batch = batch_of(50, channels, least=0)
    batch[0], batch[1] = 0, 255
    drawn = torch.rand((50, 3 if channels == 3 else 2), generator=seeded(4)).double().numpy()
    factors = 1 + percent / 100 * (2 * drawn - 1)
    found = augmentation(f"jitter{percent}")(batch, seeded(4))
    assert found.dtype == torch.uint8 and found.shape == batch.shape
    looped = 0
    for image, changed, factor in zip(batch.numpy(), found.numpy(), factors.tolist(), strict=True):
        assert np.abs(changed - numpy_jitter(image, factor)).max() <= 0.501
        looped += 1
    assert looped == 50
    assert not found[0].any()
    assert factors.min() < 1 - percent / 200 and factors.max() > 1 + percent / 200


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_mixup_mixes_images_and_targets_alike(alpha: float) -> None:
    images = batch_of(9).to(torch.float32)
    labels = torch.arange(9) % 4
    mixed, targets = mixup(images, labels, 5, alpha, seeded(6))
    generator = seeded(6)
    seed = int(torch.randint(0, 2**63 - 1, (), generator=generator))
    share = numpy_generator(seed, "mixup").beta(alpha, alpha)
    partner = torch.randperm(9, generator=generator).numpy()
    one_hot = np.eye(5)[labels.numpy()]
    pixels = images.double().numpy()
    np.testing.assert_allclose(mixed.numpy(), share * pixels + (1 - share) * pixels[partner], rtol=1e-6)
    np.testing.assert_allclose(targets.numpy(), share * one_hot + (1 - share) * one_hot[partner], atol=1e-6)
    np.testing.assert_allclose(targets.sum(1).numpy(), 1, rtol=1e-6)
    assert targets.shape == (9, 5) and targets.dtype == mixed.dtype == torch.float32


def test_mixup_draws_its_share_from_beta() -> None:
    # Two one-hot images of two classes show the share. Beta(a, a) has mean 1/2 and variance 1 / (4 (2 a + 1)).
    generator = seeded(1)
    looped = 0
    for alpha in (0.3, 2.0):
        shares = []
        while len(shares) < 400:
            _, targets = mixup(torch.zeros(2, 1, 1, 1), torch.tensor([0, 1]), 2, alpha, generator)
            if targets[0, 1] not in (0, 1):
                shares.append(float(targets[0, 0]))
        assert abs(np.mean(shares) - 0.5) < 0.05
        assert abs(np.var(shares) * 4 * (2 * alpha + 1) - 1) < 0.2
        looped += 1
    assert looped == 2


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), 2000.0])
def test_mixup_needs_a_positive_alpha(alpha: float) -> None:
    with pytest.raises(ExperimentError, match=r"recipe\.mixup"):
        mixup(torch.zeros(2, 1, 1, 1), torch.tensor([0, 1]), 2, alpha, seeded())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("filp", "'filp' in 'filp'. Did you mean 'flip'"),
        ("shift4-cutuot8", "'cutuot8' in 'shift4-cutuot8'. Did you mean 'cutout'"),
        ("", "'' in ''"),
        ("flip-", "'' in 'flip-'"),
        ("shift", "Write for example 'shift1'"),
        ("shift0", "Write for example 'shift1'"),
        ("shift-4", "'shift' in 'shift-4'"),
        ("shift04", "'shift04'"),
        ("flip2", "Write for example 'flip'"),
        ("jitter101", r"jitter1\.\.100"),
        ("cutout9999", r"cutout1\.\.1024"),
        ("none-flip", "Write 'none' alone"),
        ("Flip", "'Flip'"),
        ("shift٤", "'shift٤'"),
    ],
)
def test_an_unknown_part_is_named(text: str, said: str) -> None:
    with pytest.raises(ExperimentError, match=f"Expected recipe.augmentation as parts .*{said}"):
        augmentation(text)


def test_every_part_keeps_its_argument_and_replays() -> None:
    batch = batch_of(30)
    untouched = batch.clone()
    looped = 0
    for text in ("none", "flip", "shift9", "cutout3", "jitter30", "jitter30-shift1-flip-cutout2"):
        augment = augmentation(text)
        once, again = augment(batch, seeded(3)), augment(batch, seeded(3))
        assert torch.equal(once, again)
        assert torch.equal(once, batch) is (text == "none")
        assert torch.equal(batch, untouched)
        assert augment(batch[:0], seeded()).shape == (0, 3, 7, 5)
        looped += 1
    assert looped == 6


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_augmentations_are_the_same_on_a_gpu() -> None:
    batch = batch_of(64, height=32, width=32)
    augment = augmentation("shift4-flip-cutout8-jitter40", torch.tensor([120.0, 110.0, 100.0]))
    here, there = augment(batch, seeded(1)), augment(batch.cuda(), seeded(1))
    assert there.device.type == "cuda"
    difference = (here.int() - there.cpu().int()).abs()
    assert int(difference.max()) <= 1 and float((difference > 0).float().mean()) < 1e-3
