"""Where over-fitting starts, on made curves."""

import pandas as pd
import pytest

from pipeline.learning import overfitting, overfitting_start
from pipeline.sections.learning import said_of_overfitting

FALLING = [1.0, 0.8, 0.6, 0.4, 0.2, 0.1]


@pytest.mark.parametrize(
    ("train", "val", "expected"),
    [
        (FALLING, [1.0, 0.8, 0.7, 0.72, 0.8, 0.9], 4),  # 0.72 is within 5 % of 0.7
        (FALLING, [0.7, 0.8, 0.9, 1.0, 1.1, 1.2], 1),
        (FALLING, [1.0, 0.9, 0.8, 0.7, 0.6, 0.5], None),
        (FALLING, [1.0, 0.7, 0.9, 0.9, 0.9, 0.71], None),  # it comes back
        (FALLING, [1.0, 0.9, 0.8, 0.7, 0.7, 0.9], None),  # one epoch is a wiggle
        ([0.5] * 6, [0.7, 0.8, 0.9, 1.0, 1.1, 1.2], None),  # unstable, for train does not fall
        ([1.0], [1.0], None),
        ([1.0, 0.5], [0.0, 1.0], None),
        ([1.0, 0.5, 0.2], [0.0, 0.1, 0.2], 1),
    ],
)
def test_the_epoch_after_which_the_loss_stays_up(train: list[float], val: list[float], expected: int | None) -> None:
    assert overfitting_start(train, val) == expected


def test_each_run_is_judged_alone_and_said_in_words() -> None:
    rows = [
        {"model": model, "seed": seed, "epoch": i + 1, "train_loss": FALLING[i], "val_loss": loss}
        for model, seed, val in (
            ("winner", 7, [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]),
            ("baseline", 7, [1.0, 0.8, 0.7, 0.72, 0.8, 0.9]),
            ("baseline", 8, [1.0, 0.6, 0.7, 0.72, 0.8, 0.9]),
        )
        for i, loss in enumerate(val)
    ]
    found = overfitting(pd.DataFrame(rows[::-1]))
    assert found == {"winner": {7: None}, "baseline": {7: 4, 8: 2}}
    assert said_of_overfitting("winner", [None]) == "The winner: no over-fitting by this rule under any seed."
    assert said_of_overfitting("baseline", [4, 2]) == "The baseline over-fits after epoch 2 to 4, under 2 of 2 seeds."
    assert said_of_overfitting("m", [None, 3]) == "The m over-fits after epoch 3, under 1 of 2 seeds."
