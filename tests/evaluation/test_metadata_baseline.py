"""The file and border baseline finds planted shortcuts in files and borders, and none in noise."""

import numpy as np
import pandas as pd
import pytest

from contract_data import dataset_info
from pipeline.artifacts.samples import Samples
from pipeline.evaluation.metadata_baseline import FEATURES, FILE_FEATURES, border, features, predict_from_metadata

INFO = dataset_info("noise", ["a", "b"], [])


def noise(part: list[str], seed: int) -> Samples:
    """Return images whose pixels and metadata do not depend on their class."""
    rng, n = np.random.default_rng(seed), len(part)
    columns = {"label": rng.integers(0, 2, n), "width": rng.choice([64, 65], n), "height": 64}
    table = pd.DataFrame({**columns, "format": rng.choice(["JPEG", "PNG"], n), "mode": "L", "part": part})
    return Samples(rng.integers(0, 256, (n, 6, 6, 1), dtype=np.uint8), table, INFO)


DEVELOPMENT, TEST = noise(["train"] * 400 + ["val"] * 100, seed=1), noise(["test"] * 400, seed=2)


def accuracy(development: Samples, test: Samples, seen: tuple[str, ...] = FEATURES) -> float:
    probabilities, _ = predict_from_metadata(development, test, seen)
    return float((probabilities.argmax(1) == test.table["label"]).mean())


def planted(samples: Samples) -> Samples:
    return Samples(samples.images, samples.table.assign(width=64 + samples.table["label"]), samples.info)


def test_a_planted_shortcut_is_found_and_noise_holds_none() -> None:
    assert accuracy(planted(DEVELOPMENT), planted(TEST)) == 1
    assert abs(accuracy(DEVELOPMENT, TEST) - 0.5) < 0.08  # three standard errors of 400 coins


def test_a_brighter_border_is_found_and_a_brighter_centre_is_not() -> None:
    def lit(samples: Samples, rows: slice) -> Samples:
        images = samples.images // 2
        images[:, rows, rows] += 100 * samples.table["label"].to_numpy(np.uint8)[:, None, None, None]
        return Samples(images, samples.table, samples.info)

    assert accuracy(lit(DEVELOPMENT, slice(0, 6)), lit(TEST, slice(0, 6))) > 0.95
    in_files = accuracy(lit(DEVELOPMENT, slice(0, 6)), lit(TEST, slice(0, 6)), FILE_FEATURES)
    assert abs(in_files - 0.5) < 0.08  # the file alone shows nothing of it
    assert abs(accuracy(lit(DEVELOPMENT, slice(1, 5)), lit(TEST, slice(1, 5))) - 0.5) < 0.08


def test_only_the_train_part_is_learned_from() -> None:
    table = DEVELOPMENT.table.copy()
    table.loc[table["part"] == "val", "label"] = 0
    changed = Samples(DEVELOPMENT.images, table, DEVELOPMENT.info)
    np.testing.assert_array_equal(predict_from_metadata(changed, TEST)[0], predict_from_metadata(DEVELOPMENT, TEST)[0])


def test_the_border_is_the_outermost_ring() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(1, 3, 4, 2)
    assert border(image).tolist() == [
        [*range(10), *range(14, 24)]
    ]  # rows of 4 pixels, 2 channels; pixels 5 and 6 are inside


def test_the_features_by_hand() -> None:
    images = np.zeros((1, 3, 3, 1), np.uint8)
    images[0, 0, 0] = 8  # one of the eight pixels of the ring
    table = pd.DataFrame({"width": [640], "height": [480], "format": ["TIFF"], "mode": ["RGB"]})
    known = pd.DataFrame({"format": ["PNG", "JPEG"], "mode": ["RGB", "L"]})
    by_hand = features(Samples(images, table, INFO), known)
    assert list(by_hand.columns) == list(FEATURES)
    assert by_hand.iloc[0].tolist() == pytest.approx([640, 480, -1, 1, 1, np.sqrt(7)])


def test_what_varies_is_named() -> None:
    assert predict_from_metadata(DEVELOPMENT, TEST)[1] == ["width", "format", "border mean", "border SD"]
