"""Retries after a worker's death: how many deaths each policy allows."""

from collections.abc import Sequence

import pytest

from pipeline.execution.retry import BEFORE_TRAINING, EVALUATION, SEARCH, RetryPolicy


@pytest.mark.parametrize(
    ("policy", "deaths", "again"),
    [
        (BEFORE_TRAINING, [0, 0], True),
        (BEFORE_TRAINING, [0, 0, 0], False),
        (SEARCH, [], True),
        (SEARCH, [3], True),
        (SEARCH, [3, 4, 5, 6], True),
        (SEARCH, [3, 4, 3], False),
        (EVALUATION, [3], True),
        (EVALUATION, [3, 4], False),
    ],
)
def test_deaths_until_a_training_is_given_up(policy: RetryPolicy, deaths: Sequence[int], again: bool) -> None:
    assert policy.retries(deaths) == again
