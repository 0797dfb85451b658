"""The digits of scikit-learn, and tables that are not theirs."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets

from pipeline.core.errors import DataError
from pipeline.datasets import digits
from pipeline.datasets.registry import record_digests, specs


@pytest.fixture
def packaged():
    return Path(sklearn.datasets.__file__).parent / "data"


def test_digits_are_those_of_scikit_learn(packaged):
    records = list(digits.read(packaged))
    images, labels = sklearn.datasets.load_digits(return_X_y=True)
    assert [r.label for r in records] == labels.tolist()
    got = np.stack([r.data for r in records]).reshape(-1, 64)
    assert np.array_equal(got, images.astype(int) * 255 // 16)
    assert (got.min(), got.max()) == (0, 255)
    assert record_digests(reversed(records)) == specs()["digits"].published.digests


@pytest.mark.parametrize(
    "line", ["1,2,3", ",".join(["17"] + ["0"] * 64), ",".join(["0"] * 64 + ["10"]), "a" + ",0" * 64]
)
def test_digits_refuses_a_bad_line(tmp_path, line):
    good = ",".join(["0"] * 65)
    (tmp_path / digits.FILE).write_bytes(gzip.compress(f"{good}\n{line}\n".encode()))
    with pytest.raises(DataError, match="line 2"):
        list(digits.read(tmp_path))
