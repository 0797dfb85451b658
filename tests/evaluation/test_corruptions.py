"""Corruptions are as mild as they state, repeatable, and predicted by every retraining of the winner alone."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation_examples import description, finished_retraining
from pipeline.artifacts.samples import Samples
from pipeline.evaluation.corruptions import CORRUPTIONS, chosen_images, corrupt, predict_corrupted

Y, X = np.mgrid[:64, :64]
DISC = (np.hypot(Y - 20, X - 31.5) < 6).astype(np.uint8) * 100 + 100  # a bright disc above the centre
IMAGES = np.stack([DISC, 255 - DISC])[..., None]  # (2, 64, 64, 1)


def under(start: str, images: NDArray[np.uint8] = IMAGES) -> NDArray[np.float64]:
    name = next(name for name in CORRUPTIONS if name.startswith(start))
    return corrupt(images, CORRUPTIONS[name])[..., 0].astype(float)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 20, 1), (32, 32, 3)])
def test_shape_and_type_stay_and_equal_images_give_equal_ones(name: str, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    kept = images.copy()
    once, again = (corrupt(images, CORRUPTIONS[name]) for _ in range(2))
    assert once.shape == images.shape
    assert once.dtype == np.uint8
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(images, kept)


def test_intensities_change_by_a_tenth() -> None:
    assert (under("brightness −")[0, 0, 0], under("brightness +")[0, 0, 0]) == (90, 110)
    assert under("brightness +")[0, 20, 31] == 220
    for start, factor in (("contrast −", 0.9), ("contrast +", 1.1)):
        assert np.ptp(under(start)[0]) == pytest.approx(100 * factor, abs=1)
        assert under(start)[0].mean() == pytest.approx(DISC.mean(), abs=1)


def test_noise_blur_and_jpeg_are_mild() -> None:
    flat = np.full((20, 64, 64, 1), 128, np.uint8)
    noise = under("noise", flat) - 128
    assert noise.std() == pytest.approx(4, abs=0.1)
    assert abs(noise.mean()) < 0.1
    point = np.zeros((1, 65, 65, 1), np.uint8)
    point[0, 32, 32] = 255
    spread = under("blur", point)[0]
    distance = np.square(np.arange(65) - 32)
    assert np.average(distance, weights=spread.sum(axis=0)) == pytest.approx((65 / 128) ** 2, rel=0.15)
    assert 0 < np.abs(under("JPEG")[0] - DISC).mean() < 2


def centre(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the centre of mass of what is brighter than 150, from the centre of the image, pixels."""
    return np.array([np.average(axis - 31.5, weights=image > 150) for axis in (Y, X)])


def test_rotation_and_zoom_move_a_disc_as_stated_and_extend_the_border() -> None:
    at = centre(DISC.astype(float))
    for start, sign in (("rotation −", -1), ("rotation +", 1)):
        moved = centre(under(start)[0])
        assert np.hypot(*moved) == pytest.approx(np.hypot(*at), abs=0.2)
        assert moved[1] == pytest.approx(sign * 11.5 * np.sin(np.radians(5)), abs=0.2)
    for start, scale in (("zoom −", 0.95), ("zoom +", 1.05)):
        assert centre(under(start)[0]) == pytest.approx(at * scale, abs=0.2)
        assert (under(start)[0] > 150).sum() == pytest.approx((DISC > 150).sum() * scale**2, rel=0.05)
    for start in ("rotation", "zoom −"):
        assert under(start)[0, 0, 0] == 100  # no black corner


def test_whole_groups_are_chosen() -> None:
    groups = [str(k) for k in np.random.default_rng(0).integers(0, 300, 900)]
    rows = chosen_images(groups, 200)
    assert 150 < len(rows) <= 200
    taken = {groups[row] for row in rows}
    assert sum(group in taken for group in groups) == len(rows)
    assert chosen_images(groups, 900).tolist() == list(range(900))


def test_the_winner_predicts_what_it_predicts_of_corrupted_images(digits_folder: Path, tmp_path: Path) -> None:
    test = Samples.read(digits_folder / "test")
    described = description("mlp", test.info.classes, test.info.positive)
    runs = [finished_retraining(tmp_path, described, model=m, seed=s) for m, s in (("winner", 1), ("baseline", 2))]
    table = predict_corrupted(runs, test).table
    assert set(table["seed"]) == {1}
    shown = {name for name in CORRUPTIONS if not name.startswith("blur")}  # 8 pixels hold no blur of 1/16 pixel
    assert set(table["corruption"]) == shown
    assert table.groupby("corruption").size().eq(len(test.table)).all()
