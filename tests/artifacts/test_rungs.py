"""How the seeds of a configuration count: the same in a search, in its tables and on its page."""

import numpy as np
import pandas as pd

from pipeline.artifacts.rungs import counted, counted_scores, mean_scores, no_rungs

SCORES = {4: [0.9, 0.8], 2: [0.9, None], 7: [None, None], 5: [0.0, 0.5]}


def table() -> pd.DataFrame:
    rows = [(n, 1, k, score) for n, scores in SCORES.items() for k, score in enumerate(scores)]
    return pd.DataFrame([*rows, (4, 0, 0, 0.1)], columns=["number", "rung", "repeat", "score"])


def test_a_failed_seed_is_0_and_a_configuration_without_a_score_has_failed() -> None:
    assert [counted(scores) for scores in SCORES.values()] == [[0.9, 0.8], [0.9, 0.0], [], [0.0, 0.5]]
    of_trials = counted_scores(table())
    assert {n: of_trials[n, 1] for n in SCORES} == {4: [0.9, 0.8], 2: [0.9, 0.0], 7: [], 5: [0.0, 0.5]}
    assert of_trials[4, 0] == [0.1]
    means = mean_scores(table(), 1)
    np.testing.assert_allclose(means[[4, 2, 7, 5]], [0.85, 0.45, np.nan, 0.25])
    assert mean_scores(table(), 2).empty
    assert mean_scores(no_rungs(), 0).empty
