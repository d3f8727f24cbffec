"""Batched augmentation against a plain loop over images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dnc.data.augmenter import Augmenter
from dnc.data.dataset import Augment

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)


def images(n: int, shape: tuple[int, int, int] = (3, 12, 10), dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    x = torch.randint(0, 256, (n, *shape), generator=draw, dtype=torch.uint8)
    return x if dtype == torch.uint8 else x.to(dtype) / 255


def loop(x: torch.Tensor, augment: Augment, down: list[int], right: list[int], mirrored: list[int]) -> np.ndarray:
    """The textbook way: pad, mirror, cut, one image at a time, in float64."""
    out = []
    for image, top, left, flip in zip(x.numpy(), down, right, mirrored, strict=True):
        image = image[:, :, ::-1] if flip else image
        padded = np.pad(image, ((0, 0), (augment.pad, augment.pad), (augment.pad, augment.pad)))
        cut = padded[:, top : top + image.shape[1], left : left + image.shape[2]].astype(np.float64)
        cut = cut / 255 if x.dtype == torch.uint8 else cut
        out.append((cut - np.array(augment.mean)[:, None, None]) / np.array(augment.std)[:, None, None])
    return np.stack(out)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize(("pad", "flip"), [(4, True), (2, False), (0, True), (15, True)])
def test_equals_a_loop_over_images(dtype: torch.dtype, pad: int, flip: bool) -> None:
    augment = Augment(pad=pad, flip=flip, mean=MEAN, std=STD)
    x, offsets = images(64, dtype=dtype), 2 * pad + 1
    draw = torch.randint(offsets**2 * (1 + flip), (64,), generator=torch.Generator().manual_seed(5)).tolist()
    expected = loop(
        x,
        augment,
        [d // offsets % offsets for d in draw],
        [d % offsets for d in draw],
        [d // offsets**2 for d in draw],
    )
    got = Augmenter(augment)(x, torch.Generator().manual_seed(5))
    assert got.dtype == torch.float32
    assert got.is_contiguous()
    np.testing.assert_allclose(got.numpy(), expected, atol=2e-6)


def test_channels_last_images_give_the_same() -> None:
    augmenter = Augmenter(Augment(mean=MEAN, std=STD))
    x = images(16)
    a = augmenter(x, torch.Generator().manual_seed(0))
    b = augmenter(x.to(memory_format=torch.channels_last), torch.Generator().manual_seed(0))
    assert torch.equal(a, b)


def test_normalize_is_the_augmentation_of_the_middle_crop() -> None:
    augmenter = Augmenter(Augment(mean=MEAN, std=STD))
    x, zero = images(8), torch.zeros(8, dtype=torch.long)
    assert torch.equal(augmenter.crop(x, zero + 4, zero + 4, zero), x)
    assert torch.equal(augmenter.crop(x, zero + 4, zero + 4, zero + 1), x.flip(3))
    black = augmenter.normalize(torch.zeros(1, 3, 2, 2, dtype=torch.uint8))[0, :, 0, 0]
    np.testing.assert_allclose(black, [-m / s for m, s in zip(MEAN, STD, strict=True)], rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_batch_itself_is_not_changed(dtype: torch.dtype) -> None:
    augmenter, x = Augmenter(Augment(mean=MEAN, std=STD)), images(8, dtype=dtype)
    before = x.clone()
    augmenter(x, torch.Generator().manual_seed(0))
    augmenter.normalize(x)
    assert torch.equal(x, before)


def test_draws_are_uniform_and_by_seed() -> None:
    """A single bright pixel in the middle of 9x9 shows where each image was cut."""
    n = 4096
    augmenter = Augmenter(Augment(pad=4, flip=True, mean=(0.0,), std=(1.0,)))
    x = torch.zeros(n, 1, 9, 9, dtype=torch.uint8)
    x[:, :, 4, 4] = 255
    out = augmenter(x, torch.Generator().manual_seed(3))
    assert torch.equal(out, augmenter(x, torch.Generator().manual_seed(3)))
    assert not torch.equal(out, augmenter(x, torch.Generator().manual_seed(4)))
    counts = out.sum(0)[0].numpy()  # [9, 9], every shift keeps the pixel inside
    assert counts.sum() == n
    expected = n / 81
    assert ((counts - expected) ** 2 / expected).sum() < 124.8  # chi-square with 80 degrees of freedom, p = 0.001


def test_half_of_the_images_are_mirrored_or_none() -> None:
    x = torch.zeros(1000, 1, 4, 4)
    x[..., 0] = 1
    mirrored = Augmenter(Augment(pad=0, flip=True, mean=(0.0,), std=(1.0,)))(x, torch.Generator().manual_seed(0))
    assert 437 < int(mirrored[:, 0, 0, 3].sum()) < 563  # 4 standard deviations
    plain = Augmenter(Augment(pad=0, flip=False, mean=(0.0,), std=(1.0,)))(x, torch.Generator().manual_seed(0))
    assert torch.equal(plain, x)


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    Augmenter(Augment(mean=MEAN, std=STD))(images(4), torch.Generator().manual_seed(0))
    assert torch.equal(before, torch.get_rng_state())
