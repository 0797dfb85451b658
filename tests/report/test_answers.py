"""Answers from rungs: planted effects are on the page, few draws are refused, and searches without rungs have none."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

import contract_data
from contract_data import MRI, SETTINGS
from pipeline.artifacts.configuration import SpaceEntry
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.rungs import RUNG_COLUMNS
from pipeline.artifacts.runs import SearchRuns, TrialRun
from pipeline.artifacts.search_result import SearchResult, TrialScore
from pipeline.core import markdown
from pipeline.core.errors import DataError
from pipeline.report.results import Results
from pipeline.report.sections import answers
from pipeline.report.sections.answers import batches, best, cost, finalist_tables, texts
from pipeline.report.sections.answers.analysis import Analysis, analyse
from pipeline.report.sections.answers.differences import differences
from pipeline.stages import report

FAMILIES = ("cnn", "lenet", "mlp")
SHARES = (1 / 9, 1 / 3, 1.0)
LR, BATCH, THRICE = 0.7, 1.45, 0.5  # factors on the error: lr x 10, batch x 2, steps x 3
FIDELITY = {
    "stratify": "model",
    "schedule": "whole",
    "rungs": [
        {"share": share, "best": best, "seeds": n} for share, best, n in zip(SHARES, (5, 3, 1), (1, 1, 2), strict=True)
    ],
}
NAMES = ("rates", "batches", "contour", "lengths", "ranks", "families", "front", "anytime")
PICTURES = {f"answers_{name}" for name in NAMES}


def trials(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return the baseline, a reference, n designed draws and six of a sampler."""
    count = n + 8
    lr, batch = 10 ** rng.uniform(-4, -1, count), 2 ** rng.integers(4, 9, count)
    table = pd.DataFrame({"number": range(count), "slot": range(count), "state": "complete", "score": 0.0, "epochs": 9})
    table["role"] = ["baseline", "reference", *["search"] * (n + 6)]
    table["violation"] = 0.0
    table = table.assign(rung=0, share=1 / 9, steps=10)
    table["drawn"] = ["given", "given", *["design"] * n, *["tpe"] * 6]
    table["reason"] = ""
    table["model"] = [FAMILIES[i % 3] for i in range(count)]
    table["lr"], table["batch_size"] = lr, batch
    table["n_epochs"] = 9
    table["optimizer"] = rng.choice(["adamw", "sgd"], count)
    table["cnn.width"] = np.where(table["model"] == "cnn", rng.integers(8, 64, count), np.nan)
    return table


def errors(table: pd.DataFrame, rung: int, rng: np.random.Generator) -> np.ndarray:
    """Return log10 errors with planted effects and heavy-tailed noise."""
    z, v = np.log10(table["lr"]) + 2.5, np.log2(table["batch_size"]) - 6
    family = table["model"].map(dict(zip(FAMILIES, (0.0, 0.25, 0.4), strict=True)))
    lines = np.log10(LR) * z + np.log10(BATCH) * v + np.log10(THRICE) * rung
    noise = 0.05 * rng.standard_t(3, len(table)) / np.sqrt(3)
    return (-1.0 + family + lines + 0.1 * z**2 + noise).clip(-2.5, -0.05).to_numpy()


def rungs(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the trainings: all trials at rung 0, the best of each family further; two seeds at the last rung."""
    rows, members = [], table
    for rung, (share, n_best) in enumerate(zip(SHARES, (5, 3, 0), strict=True)):
        for repeat in range(2 if rung == 2 else 1):
            scores = 1 - 10 ** errors(members, rung, rng)
            if rung == 0:
                scores[members["lr"] > 0.06] = np.nan
            for number, score in zip(members["number"], scores, strict=True):
                reason = "the loss is nan" if np.isnan(score) else ""
                weights = None if np.isnan(score) else 1_000 + 10 * number
                rows.append((number, rung, share, round(90 * share), repeat, weights, score, reason))
        ranked = members.assign(score=scores).dropna(subset=["score"]).sort_values("score", ascending=False)
        members = ranked.groupby("model").head(n_best).sort_index()
    return pd.DataFrame(rows, columns=list(RUNG_COLUMNS))


def write(layout: Layout, experiment: str, n: int, keep: Any = None) -> None:
    """Replace the search of an experiment. keep: function of the rungs, what is written of them."""
    rng = np.random.default_rng(7)
    table = trials(n, rng)
    trained = rungs(table, rng)
    trained = trained if keep is None else keep(trained)
    highest = trained.groupby("number")["rung"].max()
    table["rung"] = table["number"].map(highest).fillna(0).astype(int)
    table["share"] = table["rung"].map(dict(enumerate(SHARES)))
    top = trained.groupby(["number", "rung"])["score"].mean()
    scores = [top.get((number, rung), np.nan) for number, rung in zip(table["number"], table["rung"], strict=True)]
    table["score"] = scores
    table.loc[table["score"].isna(), ["state", "reason"]] = ["failed", "the loss is nan"]
    first = int(table["score"].idxmax())
    keys = [
        SpaceEntry(key="lr", low=1e-4, high=1e-1, log=True),
        SpaceEntry(key="batch_size", choices=(16, 32, 64, 128, 256)),
    ]
    study = contract_data.study_info(
        experiment,
        MRI,
        space=[*keys, SpaceEntry(key="model", choices=FAMILIES), SpaceEntry(key="optimizer", choices=("adamw", "sgd"))],
        importances=None,
        fidelity=FIDELITY,
        n_trials={"complete": int((table["state"] == "complete").sum()), "pruned": 0,
                  "failed": int((table["state"] == "failed").sum())},
        best=TrialScore(number=first, score=float(table["score"][first])),
        baseline=TrialScore(number=0, score=0.5),
    )  # fmt: skip
    curves = pd.DataFrame({"number": [0], "epoch": [1]})
    winner = {"model": "cnn", "lr": 0.01, "epochs": 6}
    SearchResult(study, table, curves, winner, {**winner, "lr": 0.001}, rungs=trained).write(layout.search(experiment))
    n_trainings = trained.groupby("number").size()
    runs = [
        TrialRun(number=i, run_id="r", started_ms=0, ended_ms=1, epoch_seconds=[2.0 + i % 5] * n_trainings.get(i, 3))
        for i in table["number"]
    ]
    origin = contract_data.ORIGIN
    SearchRuns(study=study.study, origin=origin, experiment_id="1", run_id="r", trials=runs).write(
        layout.search_runs(experiment)
    )


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    root = tmp_path_factory.mktemp("answers")
    layout = contract_data.write_experiment(root, "e", MRI, n_seeds=2)
    write(layout, "e", 48)
    report.run(layout, "e", SETTINGS)
    return layout


@pytest.fixture(scope="module")
def analysis(layout: Layout) -> Analysis:
    analysis = analyse(Results.read(layout, "e", SETTINGS))
    assert analysis
    return analysis


def test_planted_effects_come_back(analysis: Analysis) -> None:
    by_name = {name: effect for (name, _), effect in analysis.effects.items()}
    for name, truth in (("lr", LR), ("batch_size", BATCH)):
        effect = by_name[name]
        assert effect.factor is not None
        assert effect.factor.low < truth < effect.factor.high
        assert effect.factor.high / effect.factor.low < 1.45
        assert (effect.more, effect.n) == (0, int(np.isfinite(analysis.logs(0)[analysis.designed]).sum()))
    rung, later = analysis.later
    assert rung in {1, 2}
    assert ("lr", "ten times") in later
    for step in analysis.steps():
        assert step.times == pytest.approx(3)
        assert step.effect is not None
        assert step.effect.factor is not None
        assert step.effect.factor.low < THRICE < step.effect.factor.high


def test_effects_are_of_designed_draws_alone(analysis: Analysis) -> None:
    assert analysis.designed.sum() == 48
    assert set(analysis.trials.loc[~analysis.designed, "drawn"]) == {"given", "tpe"}
    assert set(analysis.columns) == {"lr", "batch_size", "optimizer", "cnn.width"}
    assert sum(curve.n + curve.n_failed for curve in analysis.curves) == 48


def test_ranks_compare_rungs_and_seeds(analysis: Analysis) -> None:
    ranks = {(of.first, of.second, of.inside): of.agreement for of in analysis.ranks()}
    assert {(0, 1, True), (0, 1, False), (1, 2, True), (2, 2, True), (2, 2, False)} <= set(ranks)
    assert ranks[0, 1, False].n_pairs == 75  # five of each of three families
    assert ranks[0, 1, True].n_pairs == 30
    assert (0, 0, True) not in ranks


def test_finalists(analysis: Analysis, layout: Layout) -> None:
    every = best.finalists(analysis)
    assert len(every) == 9
    assert [of.mean for of in every] == sorted((of.mean for of in every), reverse=True)
    assert [len(of.scores) for of in every] == [2] * 9
    of_families = best.best_of_families(every)
    assert of_families[0] is every[0]
    assert {of.family for of in of_families} == set(FAMILIES)
    timed = cost.timed_trainings(analysis, SearchRuns.read(layout.search_runs("e")))
    assert timed is not None
    seconds = cost.training_seconds(analysis, timed)
    assert all(seconds[of.number] == 2.0 + of.number % 5 for of in every)
    prefix = analysis.search.study.model_copy(update={"fidelity": {**FIDELITY, "schedule": "prefix"}})
    continued = replace(analysis, search=replace(analysis.search, study=prefix))
    pd.testing.assert_series_equal(cost.training_seconds(continued, timed), 2 * seconds)  # 4 trainings of 2 seeds
    front = best.pareto(every, seconds)
    assert front[-1].mean == every[0].mean
    assert [seconds[of.number] for of in front] == sorted(seconds[of.number] for of in front)
    sizes = best.network_sizes(analysis)
    assert all(sizes[of.number] == 1_000 + 10 * of.number for of in every)
    smallest = best.pareto(every, sizes)[0]
    assert smallest.number == min(of.number for of in every)


def test_the_lead_of_two_finalists_is_that_of_welch() -> None:
    one = best.Finalist(1, "a", "search", (0.95, 0.97))
    two = best.Finalist(2, "b", "search", (0.90, 0.92))
    lead = best.lead(one, two)
    assert lead is not None
    assert (lead.value, lead.low) == (pytest.approx(0.05), pytest.approx(0.05 - 4.302653 * 0.01 * 2**0.5))
    assert best.lead(one, best.Finalist(3, "c", "search", (0.9,))) is None
    assert best.pooled_error([one, two]) == pytest.approx(0.01)


def shown_tables(soup: BeautifulSoup) -> Iterator[str]:
    heading = soup.select_one("h2#answers")
    assert heading
    for element in heading.find_all_next(["h2", "caption"]):
        if element.name == "h2":
            return
        yield element.text


def test_the_page_has_tables_pictures_and_a_twin(layout: Layout) -> None:
    folder = layout.reports() / "e"
    soup = BeautifulSoup((folder / "index.html").read_text(encoding="utf-8"), "html.parser")
    captions = list(shown_tables(soup))
    assert len(captions) == 13
    assert all("n = " in caption for caption in captions)
    paths = {path.stem: path for path in (folder / "figures").iterdir()}
    assert set(paths) >= PICTURES
    assert sum(paths[name].stat().st_size for name in PICTURES) < 330_000  # 440 kB as text on the page
    twin = (folder / "README.md").read_text(encoding="utf-8")
    assert sum(markdown.escape(caption) in twin for caption in captions) == 10  # without those on seconds


def test_few_draws_are_refused_with_what_is_needed(tmp_path: Path) -> None:
    layout = contract_data.write_experiment(tmp_path, "e", MRI, n_seeds=1)
    write(layout, "e", 8, keep=lambda table: table[table["rung"] == 0])
    results = Results.read(layout, "e", SETTINGS)
    analysis = analyse(results)
    assert analysis
    assert (analysis.model, analysis.effects, analysis.later, list(analysis.steps())) == (None, {}, (0, {}), [])
    context = answers.context(results)
    assert context
    assert context["shown"]["effects"] is None
    assert context["shown"]["time"] is not None
    assert {picture.name for picture in answers.draw(results)} == PICTURES - {"answers_ranks", "answers_batches"}


@pytest.mark.parametrize("failing", ["sampled", "designed", "constant", "one seed"])
def test_sparse_searches_have_a_section(tmp_path: Path, failing: str) -> None:
    """No designed draw, none that did not fail, scores without variation, no second seed."""
    keep = {
        "sampled": lambda table: table,
        "designed": lambda table: table.assign(score=table["score"].where(table["number"] == 0)),
        "constant": lambda table: table.assign(score=table["score"].where(table["score"].isna(), 0.9)),
        "one seed": lambda table: table[table["repeat"] == 0],
    }[failing]
    layout = contract_data.write_experiment(tmp_path, "e", MRI, n_seeds=1)
    write(layout, "e", 16, keep=keep)
    results = Results.read(layout, "e", SETTINGS)
    if failing == "sampled":
        search = replace(results.search, trials=results.search.trials.assign(drawn="tpe"))
        results = replace(results, search=search)
    context = answers.context(results)
    assert context
    assert len(context["answers"]) == 4
    assert answers.draw(results)


def test_a_poor_rung_is_a_caution(layout: Layout, tmp_path: Path) -> None:
    def reverse(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(score=np.where(table["rung"] == 1, 1 - table["score"], table["score"]))

    poor = contract_data.write_experiment(tmp_path, "e", MRI, n_seeds=1)
    write(poor, "e", 48, keep=reverse)
    taus, counts = [], []
    for of in (layout, poor):
        results = Results.read(of, "e", SETTINGS)
        analysis, context = analyse(results), answers.context(results)
        assert analysis and context  # noqa: PT018
        ranks = [rank for rank in analysis.ranks() if rank.inside and rank.first != rank.second]
        taus.append(ranks[0].agreement.tau.value)
        counts.append((len(context["cautions"]), sum(rank.agreement.tau.value < 0.4 for rank in ranks)))
    assert taus[0] > 0.4 > taus[1]
    assert all(shown == weak for shown, weak in counts)


@pytest.fixture
def changed(layout: Layout, analysis: Analysis) -> Callable[..., Analysis]:
    """Return a function that changes the tables of the search; none of its files."""

    def change(**tables: pd.DataFrame) -> Analysis:
        return replace(analysis, search=replace(analysis.search, **tables))

    return change


def test_references_are_compared_and_never_chosen(analysis: Analysis, changed: Callable[..., Analysis]) -> None:
    """The best trial of the last rung is made a reference."""
    first = best.finalists(analysis)[0]
    trials = analysis.search.trials
    other = changed(trials=trials.assign(role=trials["role"].where(trials["number"] != first.number, "reference")))
    every = best.finalists(other)
    assert (every[0].number, every[0].competes) == (first.number, False)
    of_families = best.best_of_families(every)
    assert first.number not in {of.number for of in of_families}
    sizes = best.network_sizes(other)
    assert first.number not in {of.number for of in best.pareto(every, sizes)}
    assert texts.family_sentence(other).find(f"{100 * first.mean:.1f}") == -1
    assert cost.winner_number(other) == of_families[0].number
    table = finalist_tables.size_table(other, every)
    assert table is not None
    notes = {row[0]: row[3] for row in table.rows}
    assert notes[texts.name_of(every[0])] == finalist_tables.REFERENCE
    given = {row[0]: row[1] for row in finalist_tables.given_table(other, every).rows}
    assert list(given.values()) == [8, 7, 1]  # the baseline is on the rungs of these tables


def test_a_violated_constraint_loses_to_a_lower_score(analysis: Analysis, changed: Callable[..., Analysis]) -> None:
    first, second = best.finalists(analysis)[:2]
    trials = analysis.search.trials
    other = changed(trials=trials.assign(violation=np.where(trials["number"] == first.number, 0.1, 0.0)))
    every = best.finalists(other)
    assert (every[0].number, every[-1].number) == (second.number, first.number)
    assert first.number not in {of.number for of in best.pareto(every, best.network_sizes(other))}


def test_a_failed_seed_is_a_score_of_0(analysis: Analysis, changed: Callable[..., Analysis]) -> None:
    first = best.finalists(analysis)[0]
    rungs = analysis.search.rungs
    of_first = (rungs["number"] == first.number) & (rungs["rung"] == 2)
    half = changed(rungs=rungs.assign(score=rungs["score"].mask(of_first & (rungs["repeat"] == 1))))
    again = next(of for of in best.finalists(half) if of.number == first.number)
    assert again.scores == (first.scores[0], 0.0)
    row = analysis.trials["number"].tolist().index(first.number)
    assert half.scores(2)[row] == pytest.approx(first.scores[0] / 2)
    assert half.logs(2)[row] == pytest.approx(np.log10(1 - first.scores[0]) / 2)
    whole = changed(rungs=rungs.assign(score=rungs["score"].mask(of_first)))
    assert first.number not in {of.number for of in best.finalists(whole)}
    assert np.isnan([whole.scores(2)[row], whole.logs(2)[row]]).all()


def test_a_short_last_rung_ranks_no_families(changed: Callable[..., Analysis], analysis: Analysis) -> None:
    rungs = analysis.search.rungs
    short = changed(rungs=rungs[rungs["rung"] < 2])
    assert best.finalists(short)
    assert texts.family_sentence(short).startswith("Cannot be determined")
    assert "1/3 of the steps only" in texts.family_sentence(short)
    assert "2 seeds at all steps" in texts.family_sentence(analysis)


def test_batch_sizes_as_drawn_and_with_lr_re_tuned(analysis: Analysis) -> None:
    """Planted: the error is 1.45 times as large per doubling at every learning rate."""
    every = batches.batches(analysis)
    drawn = analysis.trials[analysis.designed]
    counts = drawn["batch_size"].value_counts()
    assert [of.size for of in every] == [16, 32, 64, 128, 256]
    assert [of.errors.size for of in every] == [counts[of.size] for of in every]
    failed = drawn[drawn["lr"] > 0.06]["batch_size"].value_counts()
    assert [of.errors.size - of.known.size for of in every] == [failed.get(of.size, 0) for of in every]
    effect = batches.retuned_effect(analysis, every)
    assert effect is not None
    assert effect.factor is not None
    assert effect.factor.low < BATCH**4 < effect.factor.high
    assert effect.factor.high / effect.factor.low < 2.5
    table = batches.batches_table(analysis, every)
    assert table is not None
    best_lr = [float(str(row[6]).partition(" ")[0]) for row in table.rows]
    assert all(0.003 < lr < 0.06 for lr in best_lr)  # planted: 10 ** -1.73


def test_rare_batch_sizes_are_left_out(analysis: Analysis, changed: Callable[..., Analysis]) -> None:
    trials = analysis.search.trials
    designed = trials[trials["drawn"] == "design"]["number"]
    rare = np.where(trials["number"].isin(designed[:2]), 1024, np.where(trials["number"] % 2, 32, 64))
    assert [of.size for of in batches.batches(changed(trials=trials.assign(batch_size=rare)))] == [32, 64]
    one = changed(trials=trials.assign(batch_size=np.where(rare == 1024, 1024, 32)))
    assert batches.batches(one) == []
    assert batches.batches_table(one, []) is None
    assert batches.retuned_effect(one, []) is None


def test_the_lowest_error_so_far_follows_the_order_of_the_search(layout: Layout, analysis: Analysis) -> None:
    runs = SearchRuns.read(layout.search_runs("e"))
    timed = cost.timed_trainings(analysis, runs)
    assert timed is not None
    assert timed["end"].iloc[-1] == pytest.approx(runs.seconds)
    assert timed["rung"].is_monotonic_increasing
    for rung in analysis.rungs:
        trials = cost.best_so_far(analysis, timed, rung)
        lowest = np.inf
        for row in trials.to_dict("records"):
            if row["role"] != "reference" and row["error"] < lowest:
                lowest = row["error"]
            assert row["lowest"] == lowest or (np.isnan(row["lowest"]) and np.isinf(lowest))
    last = cost.best_so_far(analysis, timed, analysis.top)
    assert last["lowest"].iloc[-1] == pytest.approx(1 - best.finalists(analysis)[0].mean)


def test_costs_and_failures_add_up(layout: Layout, analysis: Analysis) -> None:
    rungs = analysis.search.rungs
    rows = cost.failures_table(analysis).rows
    assert sum(row[3] for row in rows) == len(rungs)  # type: ignore[misc]
    assert sum(row[4] for row in rows) == rungs["score"].isna().sum() > 0  # type: ignore[misc]
    assert {row[5] for row in rows if row[4]} == {"the loss is nan"}
    timed = cost.timed_trainings(analysis, SearchRuns.read(layout.search_runs("e")))
    assert timed is not None
    assert [row[0] for row in cost.cost_table(analysis, timed).rows] == [*FAMILIES, "all"]


def test_without_seconds_the_page_has_no_times(layout: Layout) -> None:
    results = Results.read(layout, "e", SETTINGS)
    runs = results.search_runs
    trials = [run.model_copy(update={"epoch_seconds": [0.0] * len(run.epoch_seconds)}) for run in runs.trials]
    without = replace(results, search_runs=runs.model_copy(update={"trials": trials}))
    context = answers.context(without)
    assert context
    assert not {"seconds", "time", "cost"} & context["shown"].keys()
    assert {picture.name for picture in answers.draw(without)} == PICTURES - {"answers_front", "answers_anytime"}
    damaged = replace(results, search_runs=runs.model_copy(update={"trials": runs.trials[1:]}))
    with pytest.raises(DataError, match="seconds"):
        answers.context(damaged)


def with_models(analysis: Analysis, baseline: dict[str, Any], winner: dict[str, Any]) -> Analysis:
    return replace(analysis, search=replace(analysis.search, baseline=baseline, winner=winner))


def test_differences_of_baseline_and_winner(analysis: Analysis) -> None:
    """Planted at the middle lr: 1.45 per doubling; lr from 10 ** -3.5 to 10 ** -2.5 is a parabola without a slope."""
    start = {"model": "cnn", "lr": 10**-3.5, "batch_size": 32, "optimizer": "sgd", "n_epochs": 3, "mlp.depth": 1}
    end = {"model": "mlp", "lr": 10**-2.5, "batch_size": 128, "optimizer": "sgd", "n_epochs": 4}
    of_keys = {of.keys: of for of in differences(with_models(analysis, start, end))}
    assert list(of_keys) == [*list(of_keys)[:2], ("model",), ("n_epochs",), ("mlp.depth",), ()]
    batch, lr = of_keys["batch_size",].effect, of_keys["lr",].effect
    assert batch is not None and lr is not None  # noqa: PT018
    for effect, truth in ((batch, BATCH**2), (lr, LR * 10**-0.1)):
        assert effect.factor is not None
        assert effect.factor.value == pytest.approx(truth, rel=0.2)
        assert effect.factor.high / effect.factor.low < 2
    both = of_keys[()].effect
    assert both is not None and both.interval is not None  # noqa: PT018
    assert both.interval[0] < BATCH**2 * LR * 10**-0.1 < both.interval[1]
    assert all(of_keys[key,].effect is None and of_keys[key,].reason for key in ("model", "n_epochs", "mlp.depth"))


def test_differences_outside_of_the_design_have_no_estimate(analysis: Analysis) -> None:
    start = {"model": "cnn", "lr": 0.01, "batch_size": 32, "optimizer": "sgd"}
    for change in ({"batch_size": 2048}, {"lr": 3.0}, {"optimizer": "muon"}):
        (only,) = differences(with_models(analysis, start, start | change))
        assert (only.effect, only.reason) == (None, "outside what the designed draws cover")
    assert differences(with_models(analysis, start, dict(start))) == []


def test_keys_whose_ranges_depend_on_each_other_change_together(analysis: Analysis) -> None:
    """The range of lr depends on the optimizer: its effect is the place in the range, so both are equal here."""
    ranges = [
        SpaceEntry(key="lr", low=1e-4, high=1e-1, log=True, when={"optimizer": ("adamw",)}),
        SpaceEntry(key="lr", low=1e-3, high=1, log=True, when={"optimizer": ("sgd",)}),
    ]
    space = [*ranges, *analysis.search.study.space[1:]]
    search = replace(analysis.search, study=analysis.search.study.model_copy(update={"space": space}))
    trials = search.trials
    lr = trials["lr"].where(trials["optimizer"] == "adamw", trials["lr"] * 10)
    search = replace(search, trials=trials.assign(lr=lr))
    start = {"model": "cnn", "lr": 0.001, "batch_size": 32, "optimizer": "adamw"}
    other = with_models(replace(analysis, search=search), start, start | {"lr": 0.01, "optimizer": "sgd"})
    (only,) = differences(other)
    assert only.keys == ("lr", "optimizer")
    assert only.effect is not None and only.effect.interval is not None  # noqa: PT018
    assert only.effect.interval[0] < 1 < only.effect.interval[1]


def test_a_search_without_rungs_has_no_answers(root: Path) -> None:
    results = Results.read(Layout(root), "single", SETTINGS)
    assert answers.context(results) is None
    assert 'id="answers"' not in (root / "reports/single/index.html").read_text(encoding="utf-8")


def test_finalists_from_another_study_are_named(layout: Layout) -> None:
    results = Results.read(layout, "e", SETTINGS)
    analysis = analyse(results)
    assert analysis
    first, second = best.finalists(analysis)[:2]
    study = results.search.study.model_copy(update={"enqueued_from": {"mnist@1": [first.number]}})
    trials = results.search.trials.copy()
    trials.loc[trials["number"] == first.number, "role"] = "enqueued"
    analysis = analyse(replace(results, search=replace(results.search, study=study, trials=trials)))
    assert analysis
    every = best.finalists(analysis)
    assert [of.source for of in every[:2]] == ["mnist@1", ""]
    table = finalist_tables.given_table(analysis, every)
    n = len(every)
    assert [row[:2] for row in table.rows[:2]] == [["sampled and enqueued", n], ["without those of mnist@1", n - 1]]
    assert [str(second.number) in str(row[2]) for row in table.rows[:2]] == [False, True]
    assert f"Enqueued from mnist@1: trials {first.number}." in table.note
    assert finalist_tables.families_table(analysis, every).rows[0][2] == "enqueued from mnist@1"
