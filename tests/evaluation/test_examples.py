"""The examples: confident errors first, one image per group, hits of every class."""

import pandas as pd

from pipeline.evaluation.examples import choose_examples


def predictions() -> pd.DataFrame:
    """Two seeds on images of two classes; of the first seed: sample, group, label, p of class b."""
    rows = [
        ("s0", "g0", 0, 0.7), ("s1", "g1", 0, 0.9), ("s2", "g1", 0, 0.8),  # errors, two of one group
        ("s3", "g3", 1, 0.1),  # an error as sure as s1
        ("s4", "g4", 0, 0.2), ("s5", "g5", 1, 0.99), ("s6", "g6", 1, 0.95), ("s7", "g1", 0, 0.01),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["sample", "group", "label", "p_b"])
    table.insert(3, "predicted", (table["p_b"] > 0.5).astype(int))
    table.insert(4, "p_a", 1 - table["p_b"])
    table = table.assign(model="winner", part="test", seed=7)
    right = table.assign(seed=8, predicted=table["label"])
    return pd.concat([right, table])


def test_errors_come_surest_first_one_of_a_group_and_hits_of_every_class() -> None:
    examples = choose_examples(predictions(), seed=7)
    assert examples.loc[examples["kind"] == "error", "sample"].tolist() == ["s1", "s3", "s0"]
    assert examples.loc[examples["kind"] == "hit", "sample"].tolist() == [
        "s5",
        "s4",
        "s6",
    ]  # s7: its group is shown above
    assert examples["n_wrong"].tolist() == [1, 1, 1, 0, 0, 0]
    assert examples.loc[examples["scan"], "sample"].tolist() == ["s5", "s4"]
    perfect = choose_examples(predictions(), seed=8)
    assert set(perfect["kind"]) == {"hit"}
    lost = predictions().assign(predicted=lambda t: 1 - t["label"])
    assert choose_examples(lost, seed=7)["scan"].sum() == 2  # without any hit, of errors
