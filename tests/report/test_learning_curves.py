"""Where over-fitting starts, on made curves; losses by epoch and by step, from the files of an evaluation."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import contract_data
from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.layout import Layout
from pipeline.core.errors import DataError
from pipeline.report.drawing import PART_COLORS, png
from pipeline.report.results import Results
from pipeline.report.sections import learning_curves as section
from pipeline.report.sections.learning_curves import (
    learning_curves,
    mean_curves,
    milestones,
    overfitting,
    overfitting_start,
    step_curves,
)

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


def test_each_run_is_judged_alone_and_described() -> None:
    rows = [
        {"model": model, "seed": seed, "epoch": i + 1, "train_loss": FALLING[i], "val_loss": loss}
        for model, seed, val in (
            ("winner", 7, [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]),
            ("baseline", 7, [1.0, 0.8, 0.7, 0.72, 0.8, 0.9]),
            ("baseline", 8, [1.0, 0.6, 0.7, 0.72, 0.8, 0.9]),
        )
        for i, loss in enumerate(val)
    ]
    starts = overfitting(pd.DataFrame(rows[::-1]))
    assert starts == {"winner": {7: None}, "baseline": {7: 4, 8: 2}}
    assert section.overfitting_sentence("winner", [None]) == "The winner: no over-fitting by this rule under any seed."
    assert (
        section.overfitting_sentence("baseline", [4, 2])
        == "The baseline over-fits by this rule after epoch 2 to 4, under 2 of 2 seeds."
    )
    assert (
        section.overfitting_sentence("m", [None, 3])
        == "The m over-fits by this rule after epoch 3, under 1 of 2 seeds."
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return passes of 25 steps (winner, in 20 slices) and 3 (baseline), 6 epochs, 2 seeds."""
    info = contract_data.dataset_info("plain", ["a", "b"], [])
    return contract_data.write_experiment(tmp_path, "e", info, n_seeds=2).evaluate("e")


def test_every_epoch_knows_its_last_step(folder: Path) -> None:
    curves = Evaluation.read(folder).curves_by_step
    for model, n_steps in (("winner", 25), ("baseline", 3)):
        of_model = curves[curves["model"] == model]
        assert (of_model["step"] == n_steps * of_model["epoch"]).all()
        assert len(of_model) == 12
    assert list(curves["seed"]) == list(pd.read_csv(folder / "curves.csv")["seed"])


def test_steps_that_do_not_fit_the_curves_are_refused(folder: Path) -> None:
    path = folder / "steps.csv"
    whole = pd.read_csv(path)
    of_one_run = (whole["model"] == "winner") & (whole["seed"] == 100)
    for damaged in (
        whole[~of_one_run],  # a run less
        pd.concat([whole, whole[of_one_run].assign(seed=7)]),  # a run more
        whole[~(of_one_run & (whole["step"] == 50))],  # an epoch without its end
        whole[~of_one_run | (whole["step"] < 150)],  # cut off
    ):
        damaged.to_csv(path, index=False)
        with pytest.raises(DataError, match=r"steps\.csv does not fit curves\.csv; run evaluate again"):
            Evaluation.read(folder)
    whole.drop(columns="train_loss").to_csv(path, index=False)
    with pytest.raises(DataError, match=r"steps\.csv is missing or damaged; run evaluate again"):
        Evaluation.read(folder)
    path.unlink()  # written by an older version
    with pytest.raises(DataError, match=r"steps\.csv is missing or damaged; run evaluate again"):
        Evaluation.read(folder)


def test_milestones_are_the_means_at_the_ends_of_slices() -> None:
    curves = pd.DataFrame({"model": "m", "seed": [1, 1, 1, 2, 2], "epoch": [1, 2, 3, 1, 2]}).assign(
        step=lambda t: 4 * t["epoch"], val_loss=[0.9, 0.8, 0.7, 1.1, 1.0]
    )
    steps = pd.DataFrame({"model": "m", "seed": [1] * 6 + [2] * 4, "step": [2, 4, 6, 8, 10, 12, 2, 4, 6, 8]})
    steps["train_loss"] = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 1.2, 1.1, 1.0, 0.9]
    assert milestones(curves, steps) == [
        ("m", 2, 0.5, 2, pytest.approx(1.1), None),
        ("m", 4, 1.0, 2, pytest.approx(1.0), pytest.approx(1.0)),
        ("m", 8, 2.0, 2, pytest.approx(0.8), pytest.approx(0.9)),
        ("m", 12, 3.0, 1, 0.5, 0.7),  # the other seed stopped early
    ]


def test_the_section_shows_first_and_last_step(folder: Path) -> None:
    results = Results.read(Layout(folder.parents[2]), "e", contract_data.SETTINGS)
    rows = section.context(results)["milestones"]
    assert [row[:4] for row in rows if row[0] == "winner"][:2] == [["winner", "2", "0.08", 2], ["winner", "25", "1", 2]]
    assert [row[:4] for row in rows if row[0] == "winner"][-1] == ["winner", "150", "6", 2]
    assert [row[5] == "–" for row in rows if row[0] == "baseline"] == [True, *[False] * 5]


def test_the_figure_by_step_holds_every_seed_and_stops_the_mean_with_the_first(folder: Path) -> None:
    evaluation = Evaluation.read(folder)
    stopped = (evaluation.steps["seed"] == 101) & (evaluation.steps["step"] > 100)  # early
    steps, curves = evaluation.steps[~stopped], evaluation.curves_by_step
    figure = step_curves(curves, steps)
    winner, baseline = figure.axes[:2]
    blue = [line for line in winner.lines if line.get_color() == PART_COLORS["train"]]
    drawn = [line.get_xdata()[np.isfinite(line.get_ydata())] for line in blue]
    assert [(len(x), x.max()) for x in drawn] == [(120, 150), (80, 100), (80, 100)]  # two seeds and their mean
    (points,) = (line for line in winner.lines if line.get_linestyle() == "None")
    assert sorted(points.get_xdata()) == sorted(2 * [25, 50, 75, 100, 125, 150])
    assert baseline.get_xlim()[1] == pytest.approx(1.02 * 18)
    assert png(figure)


def test_a_mean_over_seeds_ends_with_the_first_of_them(folder: Path) -> None:
    curves = Evaluation.read(folder).curves_by_step.query("seed == 100 or epoch < 4")
    figure = learning_curves(curves, {"winner": [5], "baseline": [3]}, overfitting(curves))
    thick = [line for line in figure.axes[0].lines if line.get_linewidth() > 2]
    assert [list(line.get_xdata()) for line in thick] == [[1, 2, 3]] * 2


def test_a_picture_does_not_depend_on_settings_of_another_library(folder: Path) -> None:
    evaluation = Evaluation.read(folder)
    plain = png(step_curves(evaluation.curves_by_step, evaluation.steps))
    with mpl.rc_context({"axes.facecolor": "red", "lines.linewidth": 9, "figure.facecolor": "grey"}):
        assert png(step_curves(evaluation.curves_by_step, evaluation.steps)) == plain
        assert mpl.rcParams["axes.facecolor"] == "red"


def test_losses_of_zero_are_drawn_without_a_warning(folder: Path) -> None:
    evaluation = Evaluation.read(folder)
    for losses in (0.0, evaluation.steps["train_loss"].where(evaluation.steps["step"] < 60, 0.0)):
        assert png(
            step_curves(evaluation.curves_by_step.assign(val_loss=0.0), evaluation.steps.assign(train_loss=losses))
        )


def test_curves_for_plots_are_means_as_far_as_all_seeds_trained() -> None:
    rows = [
        {
            "model": model,
            "seed": seed,
            "epoch": epoch,
            "val_loss": loss,
            "val_sensitivity": None,
            "step": 1,
            "lr": 1,
        }
        for model, seed, losses in (("winner", 1, (3, 2, 1)), ("winner", 2, (5, 4)), ("baseline", 1, (7,)))
        for epoch, loss in enumerate(losses, 1)
    ]
    means = mean_curves(pd.DataFrame(rows))
    assert list(means.columns) == ["epoch", "winner_val_loss", "baseline_val_loss"]
    assert means["winner_val_loss"].tolist() == [4, 3]
    assert means["baseline_val_loss"].iloc[0] == 7
