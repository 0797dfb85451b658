"""Predictions as rows."""

import numpy as np

from pipeline.artifacts.predictions import prediction_table
from pipeline.artifacts.samples import Samples


def test_probabilities_are_kept_with_six_decimals(development: Samples) -> None:
    probabilities = np.full((len(development.table), 10), 0.1, dtype=np.float32)
    probabilities[:, 3] = 0.1000004
    table = prediction_table(probabilities, development)
    assert set(table["predicted"]) == {3}
    assert set(table["p_3"]) == {0.1}
    assert table["sample"].tolist() == development.table["sample"].tolist()
