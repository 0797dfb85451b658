"""Effects of hyperparameters: planted ones are shown, noise is called noise, few draws show nothing."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import contract_data
from contract_data import MRI, SETTINGS
from pipeline.artifacts.runs import SearchRuns, TrialRun
from pipeline.artifacts.search_result import SearchResult, TrialScore, VariedTrial
from pipeline.core.errors import DataError
from pipeline.report.drawing import png
from pipeline.report.formatting import duration
from pipeline.report.sections import search
from pipeline.report.sections.hyperparameters import figures
from pipeline.report.sections.hyperparameters.analysis import (
    Effect,
    Trend,
    effect_sentence,
    effects,
    repeatability,
    trend,
    trend_sentence,
)
from pipeline.stages import report


def made(n: int, score: Any = None, states: list[str] | None = None) -> SearchResult:
    """Return a baseline and n draws; score: of the draws, as a function of their table."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"number": range(n + 1), "slot": range(n + 1), "state": "complete", "epochs": 3})
    table = table.assign(violation=0.0, reason="", drawn="tpe", **contract_data.WHOLE)
    table["role"] = ["baseline"] + ["search"] * n
    table["lr"] = 10 ** rng.uniform(-4, -1, n + 1)
    table["batch_size"] = rng.choice([32, 64], n + 1)
    table["model"] = rng.choice(["cnn", "<b>mlp</b>"], n + 1)
    table["cnn.width"] = np.where(table["model"] == "cnn", rng.integers(4, 40, n + 1), np.nan)
    table["flip"] = rng.random(n + 1) < 0.5
    table["n_epochs"] = 3
    table["score"] = rng.uniform(0.5, 0.9, n + 1) if score is None else score(table)
    if states:
        table["state"] = states
        table.loc[table["state"] == "failed", "score"] = np.nan
    study = contract_data.study_info(
        "e",
        MRI,
        objective="accuracy",
        importances={"lr": 0.8, "batch_size": 0.2},
        best=TrialScore(number=int(table["score"].idxmax()), score=float(table["score"].max())),
        baseline=TrialScore(number=0, score=float(table["score"][0])),
        n_trials={s: int((table["state"] == s).sum()) for s in ("complete", "pruned", "failed")},
    )
    return SearchResult(study, table, pd.DataFrame({"number": [0]}), {"lr": 0.1}, {"lr": 0.1})


def runs(seconds: list[float]) -> SearchRuns:
    trials = [
        TrialRun(number=i, run_id="r", started_ms=0, ended_ms=1, epoch_seconds=[s]) for i, s in enumerate(seconds)
    ]
    return SearchRuns(study="e@0", origin=contract_data.ORIGIN, experiment_id="1", run_id="r", trials=trials)


def test_two_seeds_lie_further_apart_than_the_limit_in_5_percent() -> None:
    assert repeatability(np.array([0.90, 0.91, 0.92])) == pytest.approx(0.0277, abs=5e-5)  # 2.77 SD
    assert repeatability(np.array([0.9])) is None
    scores = np.random.default_rng(0).normal(0.9, 0.01, (2, 20_000))
    limit = repeatability(scores.ravel())
    assert (np.abs(scores[0] - scores[1]) > limit).mean() == pytest.approx(0.05, abs=0.006)


def test_variations_are_put_in_order_around_the_baseline() -> None:
    states = ["complete"] * 4 + ["failed"]
    searched = made(4, lambda t: [0.9, 0.2, 0.95, 0.8, 0.7], states)
    searched.trials.loc[1:, "role"] = "one_at_a_time"
    tried = [("lr", 0.1), ("lr", 0.0001), ("flip", True), ("optimizer", "sgd")]
    own = {"lr": 0.001, "flip": False, "optimizer": None}
    trials = [VariedTrial(number=i, key=key, value=value, baseline=own[key]) for i, (key, value) in enumerate(tried, 1)]
    searched = replace(searched, study=searched.study.model_copy(update={"variations": trials}))
    lr, flip, optimizer = effects(searched, np.array([0.9, 0.91]))
    assert (lr.values, lr.scores, lr.baseline) == ([0.0001, 0.001, 0.1], [0.95, 0.9, 0.2], 1)
    assert (flip.values, flip.scores, flip.numeric) == ([False, True], [0.9, 0.8], False)
    assert (optimizer.values, optimizer.scores) == ([None, "sgd"], [0.9, None])
    assert png(figures.one_at_a_time([lr, flip, optimizer], "accuracy"))


@pytest.mark.parametrize(
    ("values", "scores", "noise", "expected"),
    [
        ([0.001, 0.01, 0.1], [0.95, 0.96, 0.21], 0.02,
         "Raising lr from 0.001 to 0.1 lowered the macro F1 on val from 95.0 % to 21.0 %; best at 0.01 (96.0 %)."),
        ([0.001, 0.01, 0.1], [0.95, 0.96, 0.945], 0.02,
         "lr, between 0.001 and 0.1: no difference beyond the noise between seeds (scores within 1.5 points; "
         "two seeds may be 2.0 apart)."),
        ([0.001, 0.01, 0.1], [0.50, 0.96, 0.51], 0.02,
         "lr: the macro F1 on val was best at 0.01 (96.0 %) and worst at 0.001 (50.0 %)."),
        ([0.001, 0.1, 1.0], [0.5, 0.9, None], None,
         "Raising lr from 0.001 to 0.1 raised the macro F1 on val from 50.0 % to 90.0 %; best at 0.1 (90.0 %). "
         "How much of it is noise, one seed cannot show. Training failed at 1."),
        (["adam", "sgd"], [0.9, 0.5], 0.1,
         "lr: the macro F1 on val was best at adam (90.0 %) and worst at sgd (50.0 %)."),
        ([None, 0.5], [0.9, None], 0.1, "lr: nothing to compare. Training failed at 0.5."),
    ],
)  # fmt: skip
def test_the_sentence_of_an_effect(values: list[Any], scores: list[Any], noise: float | None, expected: str) -> None:
    assert effect_sentence(Effect("lr", values, scores, 0, noise), "macro F1") == expected


def test_a_planted_order_is_found_and_chance_is_not() -> None:
    planted = trend(made(12, score=lambda t: 0.9 - t["lr"]), "lr")
    assert (planted.n, planted.rho, planted.ordered) == (12, -1.0, True)
    sentence = trend_sentence(planted, "accuracy")
    assert "a larger value had a lower accuracy on val (Spearman’s ρ = −1.00, n = 12; searched together" in sentence
    chance = trend(made(12), "batch_size")
    assert not chance.ordered
    assert "no order among the complete draws beyond chance" in trend_sentence(chance, "accuracy")


def test_few_draws_and_one_value_say_nothing() -> None:
    assert trend_sentence(trend(made(5), "lr"), "x") == "lr: 5 complete draws cannot show its influence."
    states = ["complete"] * 2 + ["pruned"] * 8
    assert trend(made(9, states=states), "lr") == Trend("lr", 1, None, False, pytest.approx(0.01, abs=0.1))
    assert trend_sentence(trend(made(9, states=states), "lr"), "x") == "lr: 1 complete draw cannot show its influence."
    assert trend_sentence(trend(made(8), "n_epochs"), "x").startswith("n_epochs was 3 in every complete draw")


def test_a_surface_takes_draws_enough() -> None:
    draws = made(40).draws("complete").assign(wd=np.random.default_rng(1).uniform(0, 0.1, 40))
    assert figures.has_surface(draws, ("lr", "wd"))
    for few, pair in ((draws.head(19), ("lr", "wd")), (draws, ("lr", "batch_size")), (draws, ("lr", "model"))):
        assert not figures.has_surface(few, pair)
        assert not figures.contour(few, pair, "accuracy").axes[0].collections[:-1]  # the points alone
    assert len(figures.contour(draws, ("lr", "wd"), "accuracy").axes[0].collections) == 2


def test_a_parameter_that_only_the_baseline_changes_has_no_column(
    tmp_path: Path, show_only: Callable[..., None]
) -> None:
    show_only("search")
    layout = contract_data.write_experiment(tmp_path, "e", MRI, n_seeds=1)
    folder = layout.search("e")
    table = pd.read_csv(folder / "trials.csv")
    table.assign(fixed=np.where(table["role"] == "baseline", 1, 2), differing=table["number"]).to_csv(
        folder / "trials.csv", index=False
    )
    report.run(layout, "e", SETTINGS)
    html = (tmp_path / "reports/e/index.html").read_text()
    head = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', html[html.index("span trials") :])
    assert "differing" in head
    assert "fixed" not in head


def test_the_best_so_far_holds_to_the_last_trial() -> None:
    searched = made(3, states=["complete", "complete", "pruned", "failed"])
    line = search.history(searched.trials, "accuracy").axes[0].lines[0]
    assert list(line.get_xdata()) == [0, 1, 3]
    assert line.get_ydata()[-1] == searched.trials["score"][:2].max()


def test_cost_adds_up() -> None:
    searched = made(3, states=["complete", "pruned", "failed", "complete"])
    timed = search.timed_trials(searched, runs([100.0, 60.0, 40.0, 200.0]))
    assert search.by_state(timed, pd.Series(1, timed.index), int) == [
        ["complete", 2, "50.0 %"],
        ["pruned", 1, "25.0 %"],
        ["failed", 1, "25.0 %"],
        ["all", 4, ""],
    ]
    assert search.by_state(timed, timed["seconds"], duration) == [
        ["complete", "5 min", "75.0 %"],
        ["pruned", "60 s", "15.0 %"],
        ["failed", "40 s", "10.0 %"],
        ["all", "7 min", ""],
    ]
    assert "1.3 points lower on validation" in search.loss_of_retraining(0.963, 0.950)
    assert "no lower" in search.loss_of_retraining(0.95, 0.9502)


@pytest.mark.parametrize("n", [1, 3, 40])
def test_pages_of_few_and_many_trials(tmp_path: Path, show_only: Callable[..., None], n: int) -> None:
    """Also where all failed but the baseline (n = 3)."""
    show_only("search", "hyperparameters")
    layout = contract_data.write_experiment(
        tmp_path, "e", contract_data.dataset_info("plain", ["a", "b"], []), n_seeds=1
    )
    states = ["complete"] + ["failed"] * 2 if n == 3 else None
    shares = {"lr": 0.8, "batch_size": 0.2} if n == 40 else None
    searched = made(n - 1, states=states)
    replace(searched, study=searched.study.model_copy(update={"importances": shares})).write(layout.search("e"))
    runs([10.0] * n).write(layout.search_runs("e"))
    report.run(layout, "e", SETTINGS)
    pictures = {path.stem for path in (tmp_path / "reports/e/figures").iterdir()}
    expected = {"importances", "contour", "slices"} if n == 40 else set()
    assert pictures & {"importances", "contour", "slices", "one_at_a_time"} == expected
    html = (tmp_path / "reports/e/index.html").read_text()
    assert ("0 complete draws cannot show its influence" in html) == (n < 40)
    assert "<b>mlp" not in html


def test_a_study_of_an_older_version_is_refused(tmp_path: Path) -> None:
    folder = contract_data.write_experiment(tmp_path, "e", MRI, n_seeds=1).search("e")
    study = json.loads((folder / "study.json").read_text())
    del study["importances"]
    (folder / "study.json").write_text(json.dumps(study))
    with pytest.raises(DataError, match="importances"):
        SearchResult.read(folder)


def test_a_surface_over_few_numbers_has_their_scale() -> None:
    """Five batch sizes that repeat are choices elsewhere; a surface needs their distances."""
    draws = made(40).draws("complete")
    draws = draws.assign(batch_size=np.resize([16, 32, 64, 128, 256], 40))
    axis = figures.contour(draws, ("lr", "batch_size"), "accuracy").axes[0]
    points = axis.collections[-1].get_offsets()
    np.testing.assert_allclose(np.sort(points[:, 1]), np.sort(draws["batch_size"]))
    assert axis.get_ylim()[0] < 16 < 256 < axis.get_ylim()[1]
    assert list(axis.get_yticks()) == [16, 32, 64, 128, 256]
