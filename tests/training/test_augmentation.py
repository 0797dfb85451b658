"""Augmentations keep what they must, and depend on seed, epoch and image alone."""

from collections.abc import Iterable

import numpy as np
import pytest
import torch

from pipeline.training.augmentation import (
    Draws,
    cut_out,
    gather_batch,
    jitter_intensity,
    random_numbers,
    training_batch,
    warp_batch,
)
from pipeline.training.batches import Normaliser
from pipeline.training.config import Training

CPU = torch.device("cpu")

EVERYTHING = {"flip": "alternating", "shift": 0.2, "rotate_deg": 15, "zoom": 0.1, "intensity": 0.2, "cutout": 0.4}


def draws(n: int) -> Draws:
    return random_numbers(config(flip="both", shift=0.1, zoom=0.1, intensity=0.1, cutout=0.1), n, 0, 1, CPU)


def config(**settings: object) -> Training:
    return Training.model_validate({"model": "mlp", "lr": 1, "batch_size": 1, "n_epochs": 1, **settings})


IMAGES = torch.arange(40 * 6 * 5 * 2, dtype=torch.int64).remainder(251).to(torch.uint8).view(40, 6, 5, 2)

ROWS = torch.tensor([7, 3, 3, 39, 0, 11, 12, 13])


def test_without_augmentation_the_rows_come_as_they_are() -> None:
    batch = gather_batch(IMAGES, ROWS, config(), draws(len(ROWS)))
    assert torch.equal(batch, IMAGES[ROWS])


def test_flips_mirror_about_half_of_the_images() -> None:
    rows = torch.zeros(400, dtype=torch.int64)
    batch = gather_batch(IMAGES, rows, config(flip="horizontal"), draws(len(rows)))
    plain = IMAGES[0]
    kept = (batch == plain).flatten(1).all(1)
    flipped = (batch == plain.flip(1)).flatten(1).all(1)
    assert bool((kept ^ flipped).all())
    assert 150 < int(flipped.sum()) < 250


def test_shifts_move_by_whole_pixels_and_mirror_the_border() -> None:
    batch = gather_batch(IMAGES, ROWS, config(shift=0.4), draws(len(ROWS)))  # up to 2 pixels
    plain = torch.nn.functional.pad(IMAGES[ROWS].permute(0, 3, 1, 2).float(), (2, 2, 2, 2), mode="reflect")
    offsets = set()
    for image, padded in zip(batch.permute(0, 3, 1, 2).float(), plain, strict=True):
        matches = [(y, x) for y in range(5) for x in range(5) if torch.equal(padded[:, y : y + 6, x : x + 5], image)]
        assert matches
        offsets.add(matches[0])
    assert len(offsets) > 3


def test_rotation_turns_about_the_centre() -> None:
    batch = torch.zeros(64, 1, 33, 33)
    batch[:, :, 16, 16] = 1.0  # the centre stays
    batch[:, :, 16, 28] = 1.0  # 12 px to the right
    turned = warp_batch(batch, 90.0, 0.0, draws(len(batch)))
    assert bool((turned[:, 0, 16, 16] > 0.5).all())
    y, x = torch.meshgrid(torch.arange(33) - 16, torch.arange(33) - 16, indexing="ij")
    ring = ((y**2 + x**2).float().sqrt() - 12).abs() < 1.6
    assert bool((turned[:, 0][:, ring].amax(1) > 0.2).all())
    assert bool((turned[:, 0][:, ~ring & ((y != 0) | (x != 0)) & ((y**2 + x**2) > 4)] == 0).all())
    assert torch.equal(warp_batch(batch, 0.0, 0.0, draws(len(batch))).round(), batch)


def test_rotation_of_a_long_image_keeps_distances() -> None:
    batch = torch.zeros(32, 1, 21, 61)
    batch[:, :, 10, 36] = 1.0  # 6 px to the right of the centre
    turned = warp_batch(batch, 60.0, 0.0, draws(len(batch)))
    mass = turned / turned.sum((2, 3), keepdim=True)
    y, x = torch.meshgrid(torch.arange(21.0) - 10, torch.arange(61.0) - 30, indexing="ij")
    distance = ((mass * y).sum((2, 3)) ** 2 + (mass * x).sum((2, 3)) ** 2).sqrt()
    assert bool(((distance - 6).abs() < 0.35).all())


def test_zoom_scales_distances_within_its_bounds() -> None:
    batch = torch.zeros(200, 1, 21, 61)
    batch[:, :, 10, 40] = 1.0  # 10 px to the right of the centre
    zoomed = warp_batch(batch, 0.0, 0.25, draws(len(batch)))
    x = torch.arange(61.0) - 30
    distance = (zoomed / zoomed.sum((2, 3), keepdim=True) * x).sum((1, 2, 3))
    assert bool(((distance > 10 / 1.25 - 0.5) & (distance < 12.5 + 0.5)).all())
    assert distance.min() < 8.5
    assert distance.max() > 12


def test_flips_along_both_axes_make_all_four_mirror_images() -> None:
    batch = gather_batch(IMAGES, torch.zeros(100, dtype=torch.int64), config(flip="both"), draws(100))
    plain = IMAGES[0]
    mirrored = (plain, plain.flip(0), plain.flip(1), plain.flip(0, 1))
    counts = [int((batch == image).flatten(1).all(1).sum()) for image in mirrored]
    assert sum(counts) == 100
    assert min(counts) > 10


def test_intensity_changes_are_affine_and_bounded() -> None:
    batch = torch.randn(50, 2, 4, 4)
    changed = jitter_intensity(batch, 0.3, draws(len(batch)))
    for before, after in zip(batch, changed, strict=True):
        scale, shift = np.polyfit(before.ravel().numpy(), after.ravel().numpy(), 1)
        assert 0.7 <= scale <= 1.3
        assert abs(shift) <= 0.3
        assert torch.allclose(before * scale + shift, after, atol=1e-5)
    assert (changed - batch).abs().flatten(1).amax(1).min() > 0


def test_what_happens_to_an_image_does_not_depend_on_its_batch() -> None:
    settings = config(**EVERYTHING)
    normalise = Normaliser([100.0, 120.0], [50.0, 60.0], n_pixels=6 * 5, device=CPU)
    of_epoch = {epoch: random_numbers(settings, 40, 7, epoch, CPU) for epoch in (1, 2)}

    def batch(numbers: Iterable[int], epoch: int = 1) -> torch.Tensor:
        rows = torch.tensor(list(numbers))
        of_rows = {name: column[rows] for name, column in of_epoch[epoch].items()}
        return training_batch(IMAGES, rows, settings, normalise, of_rows)

    together, backwards = batch(range(40)), batch(range(39, -1, -1))
    assert torch.equal(together, backwards.flip(0))
    assert torch.equal(torch.cat([batch([row]) for row in range(40)]), together)
    assert (batch(range(40), epoch=2) != together).flatten(1).any(1).all()
    assert together.shape == (40, 2, 6, 5)


def test_alternating_flips_show_every_image_from_both_sides_in_two_epochs() -> None:
    settings, rows = config(flip="alternating"), torch.arange(40)
    flipped = []
    for epoch in (1, 2, 3):
        batch = gather_batch(IMAGES, rows, settings, random_numbers(settings, 40, 5, epoch, CPU))
        flipped.append((batch == IMAGES.flip(2)).flatten(1).all(1))
        assert bool((flipped[-1] ^ (batch == IMAGES).flatten(1).all(1)).all())
    assert torch.equal(flipped[0], ~flipped[1])
    assert torch.equal(flipped[0], flipped[2])
    assert 10 < int(flipped[0].sum()) < 30


def test_a_cut_is_a_square_anywhere_and_clipped_at_the_border() -> None:
    batch = torch.ones(2000, 2, 12, 16)
    covered = cut_out(batch, 0.5, draws(2000)) == 0
    assert torch.equal(covered[:, 0], covered[:, 1])
    rows, columns = (covered[:, 0].any(axis).sum(1) for axis in (2, 1))
    assert rows.max() == columns.max() == 6
    assert rows.min() == columns.min() == 3  # centred on the last pixel
    assert torch.equal(covered[:, 0].sum((1, 2)), rows * columns)
    assert covered[:, 0].any(0).all()


def test_brightness_and_contrast_keep_the_mean_over_many_images() -> None:
    batch = torch.randn(4000, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    changed = jitter_intensity(batch, 0.3, draws(4000))
    assert float(changed.mean()) == pytest.approx(float(batch.mean()), abs=0.02)
