"""The proof of the search on made-up tables with known answers, and a small table from real trainings."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from benchmarks.search_proof.__main__ import run
from benchmarks.search_proof.findings import Findings
from benchmarks.search_proof.intervals import half_widths
from benchmarks.search_proof.ranks import differences, rankings
from benchmarks.search_proof.regret import HALVING, ONE_CUT, RANDOM, SOBOL, Race, one_seed, regret
from benchmarks.search_proof.replay import Replay, designed_order, halving, in_full, one_cut
from benchmarks.search_proof.table import COLUMNS, FULL, TruthTable
from benchmarks.search_proof.truth import Lesson, Measured, Proof
from conftest import EXPERIMENT
from pipeline.core.errors import InputError
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.reader import read_experiment
from pipeline.search.sampling import sample_parameters

FIDELITY = "fidelity: {rungs: [{share: 1/9}, {share: 1/3, best: 2, seeds: 2}, {share: 1, best: 1}]}"
TEXT = EXPERIMENT.replace("pruner: {name: median, startup_trials: 1, warmup: 0.3}", FIDELITY)
TEXT = TEXT.replace("{name: tpe, startup_trials: 2}", "{name: design}").replace("trials: 5", "trials: 17")
N, S = 16, 3  # 8 configurations of each of 2 families
SHARES = (1 / 9, 1 / 3, FULL)
QUALITY = 0.6 + 0.02 * np.arange(N)  # rows take turns between the families; the last is best
FULL_S = 9.0

Score = Callable[[int, int, str, float], float]  # row, seed, kind, share


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    (tmp_path / "made_up.yaml").write_text(TEXT)
    return read_experiment(tmp_path / "made_up.yaml")


def rows_of(experiment: Experiment, score: Score, n_seeds: int = S) -> pd.DataFrame:
    cells = [(kind, share, 0) for kind in ("whole", "prefix") for share in SHARES if kind == "whole" or share < FULL]
    cells += [("whole", 1 / 3, 1), ("images", 1 / 9, 0)]
    rows = []
    for row, seed, (kind, share, repeat) in product(range(N), range(n_seeds), cells):
        slot = experiment.first_sampled + row
        rows.append([slot, seed, kind, repeat, share, score(row, seed, kind, share), FULL_S * share])
    return pd.DataFrame(rows, columns=COLUMNS)


def table_of(experiment: Experiment, score: Score = lambda row, *_: QUALITY[row]) -> TruthTable:
    slots = range(experiment.first_sampled, experiment.first_sampled + N)
    configs = {slot: experiment.configuration(sample_parameters(experiment, slot, ()).params) for slot in slots}
    return TruthTable.of(experiment, configs, rows_of(experiment, score), n_val=1000, per_seed=7)


def test_where_all_trainings_agree_nothing_is_lost(experiment: Experiment) -> None:
    table = table_of(experiment)
    for each in rankings(table):
        assert each.inside.value == pytest.approx(1)
        assert each.between.value == pytest.approx(1)
        assert each.of_second_seed.value == pytest.approx(1)
    assert [each.inside.value for each in differences(table)] == pytest.approx([0, 0, 0])
    replay = halving(table, 0, np.arange(N))
    assert replay.finalists == [15, 14, 13]  # the last rung has one of each family
    # 16 at a ninth, then two of each of two families under two seeds, then one of each family
    assert replay.seconds[[0, 15, 16, 17]] == pytest.approx([1, 16, 16 + 8 * 3, 16 + 8 * 3 + 2 * 9])
    assert replay.picks[[0, 15, 16, 17]].tolist() == [0, 15, 15, 15]
    of = regret(table, "", halving, draws=20, rng=np.random.default_rng(0))
    assert (of.points, of.end, of.seconds) == (0, 0, pytest.approx(58 / (N * FULL_S)))


def test_a_prefix_continues_the_training_of_the_rung_before(experiment: Experiment) -> None:
    table = table_of(experiment)
    for schedule, seconds in (("whole", [28, 46]), ("prefix", [16 + 4 * 2, 16 + 4 * 2 + 2 * 6])):
        replay = one_seed(experiment, schedule)(table, 0, np.arange(N))
        assert replay.seconds[-2:] == pytest.approx(seconds)


def test_short_trainings_that_rank_the_other_way(experiment: Experiment) -> None:
    def reversed_below_full(row: int, seed: int, kind: str, share: float) -> float:
        return QUALITY[row] if share == FULL or kind == "prefix" else QUALITY[N - 1 - row]

    table = table_of(experiment, reversed_below_full)
    lowest, *_, full = rankings(table)
    assert (lowest.kind, lowest.share, full.share) == ("whole", 1 / 9, FULL)
    assert (lowest.inside.value, lowest.of_second_seed.value) == pytest.approx((-1, -1))
    assert full.inside.value == pytest.approx(1)
    prefix, *_, images = differences(table)
    assert (prefix.first, prefix.inside.value) == ("prefix", pytest.approx(2))
    assert (images.first, images.inside.value) == ("images", pytest.approx(0))
    rng = np.random.default_rng(0)
    # the worst two of each family reach the second rung, rows 0 to 3; a third of its ranks with the others decides
    assert regret(table, "", halving, rng=rng).points == pytest.approx(100 * (QUALITY[15] - QUALITY[2]))
    assert regret(table, "", one_seed(experiment, "prefix"), rng=rng).points == pytest.approx(0)


def test_a_family_that_learns_late_is_found_by_families_only(experiment: Experiment) -> None:
    late = table_of(experiment).families[15]

    def score(row: int, seed: int, kind: str, share: float) -> float:
        is_late = (row % 2 == 1) and share < FULL
        return QUALITY[row] - 0.5 * is_late

    table = table_of(experiment, score)
    assert set(table.families[1::2]) == {late}
    lowest = rankings(table)[0]
    assert lowest.inside.value == pytest.approx(1)
    assert lowest.between.value is not None
    assert lowest.between.value < 0.2
    assert halving(table, 0, np.arange(N)).finalists[0] == 15
    assert one_cut(table, 0, np.arange(N)).finalists == [14, 12, 10]


def test_truth_is_from_other_seeds_and_divergence_is_the_worst(experiment: Experiment) -> None:
    def score(row: int, seed: int, kind: str, share: float) -> float:
        return np.nan if (row, seed) == (3, 2) else QUALITY[row] + 0.1 * seed

    table = table_of(experiment, score)
    assert table.truth[0] == pytest.approx(QUALITY[0] + np.array([0.15, 0.1, 0.05]))
    assert table.truth[3, 0] == pytest.approx((QUALITY[3] + 0.1) / 2)
    trainings = [each for row, each in halving(table, 2, np.arange(N)).rungs if row == 3]
    assert [(each.rung, each.score) for each in trainings] == [(0, None)]


def test_what_is_complete_is_analysed(experiment: Experiment) -> None:
    rows = rows_of(experiment, lambda row, *_: QUALITY[row])
    configs = dict(table_of(experiment).configs)
    last_is_open = rows[~((rows["seed"] == 2) & (rows["slot"] == rows["slot"].max()))]
    table = TruthTable.of(experiment, configs, last_is_open, n_val=10, per_seed=7)
    assert (table.n, table.n_seeds) == (N, 2)
    first = experiment.first_sampled
    few = rows[(rows["seed"] == 0) | ((rows["seed"] == 1) & (rows["slot"] < first + 9))]
    table = TruthTable.of(experiment, configs, few, n_val=10, per_seed=7)
    assert (table.n, table.n_seeds) == (9, 2)
    with pytest.raises(InputError):
        TruthTable.of(experiment, configs, few[few["slot"] < first + 7], n_val=10, per_seed=7)
    with pytest.raises(InputError):
        TruthTable.of(experiment, configs, rows[:0], n_val=10, per_seed=7)


def test_a_target_counts_once_it_is_kept() -> None:
    replay = Replay(np.array([1.0, 2, 4]), np.array([1, 0, 1]), [1])
    quality = np.array([0.5, 0.9])
    assert replay.reaches(quality, 0.5) == 1
    assert replay.reaches(quality, 0.9) == 4
    assert replay.reaches(quality, 0.91) == np.inf
    assert replay.quality_at(np.array([0.5, 1, 3.9, 9]), quality).tolist() == [-np.inf, 0.9, 0.5, 0.9]


def test_random_search_keeps_the_best_so_far_on_one_or_two_machines(experiment: Experiment) -> None:
    order = np.array([3, 1, 7, 5])
    replay = in_full(table_of(experiment), 0, order)
    assert replay.picks.tolist() == [3, 3, 7, 7]
    assert replay.seconds.tolist() == [9, 18, 27, 36]
    assert replay.finalists == [7, 5, 3]
    assert in_full(table_of(experiment), 0, order, machines=2).seconds.tolist() == [4.5, 9, 13.5, 18]


def test_a_design_takes_families_in_turn_and_keeps_its_blocks() -> None:
    families: NDArray[np.object_] = np.array(["a", "b"] * 8, dtype=object)
    for seed in range(5):
        order = designed_order(families, np.random.default_rng(seed))
        assert sorted(order.tolist()) == list(range(N))
        assert len({*families[order[:2]]}) == 2
        numbers = [int(row) // 2 for row in order[::2]]
        assert {number // 4 for number in numbers[:4]} in ({0}, {1})  # half a sequence of 8 comes first


def test_a_race_without_noise(experiment: Experiment) -> None:
    race = Race.of(table_of(experiment), 12, np.random.default_rng(0))
    assert len(race.seeds) == 12
    assert set(race.seeds) == set(range(S))
    assert race.seconds(RANDOM).tolist() == [N * FULL_S] * 12
    assert np.unique(race.seconds(HALVING)) == pytest.approx([58])
    assert np.unique(race.seconds(ONE_CUT)) == pytest.approx([16 + 3 * 9])
    assert np.unique(race.seconds(SOBOL)) == pytest.approx([N * FULL_S / 2])
    for search in (HALVING, ONE_CUT):  # the best is known once it has been trained for a ninth
        assert set(race.to_target(search).round()) <= set(range(1, 17))
    assert set(race.to_target(RANDOM).round()) <= {9 * k for k in range(1, 17)}
    assert race.regrets(RANDOM, [0.5, 144])[:, 0].tolist() == [np.inf] * 12
    assert race.regrets(RANDOM, [0.5, 144])[:, 1] == pytest.approx(np.zeros(12))


def test_widths_follow_the_noise(experiment: Experiment) -> None:
    lr = np.array([float(config["lr"]) for config in table_of(experiment).configs.values()])

    def score(noise: float) -> Score:
        rng = np.random.default_rng(0)
        return lambda row, seed, kind, share: (
            1 - 10 ** (-1 + 0.3 * np.log10(lr[row]) / 3 + noise * rng.normal()) * (1 if share < 0.2 else 0.5)
        )

    exact, rough = (half_widths(table_of(experiment, score(noise)), np.random.default_rng(1)) for noise in (0.001, 0.2))
    assert set(exact) >= {"lr", "steps"}
    for name in ("lr", "steps"):
        assert len(exact[name]) == len(rough[name]) == S
        assert 1 <= max(exact[name]) < 1.1 < min(rough[name])


def test_findings_are_compared_with_the_targets(experiment: Experiment) -> None:
    findings = Findings.of(table_of(experiment), replays=10, draws=10)
    record = json.loads(json.dumps(findings.record(), allow_nan=False))
    assert (record["n_configurations"], record["n_seeds"]) == (N, S)
    targets = {row["name"]: row["target"] for row in record["targets"]}
    assert list(targets.values()) == [0.6, 0.8, 0.25, 1.45, 1.2, 1.3, 1 / 3]
    assert [row["met"] for row in record["targets"]][:3] == [True, True, True]
    assert record["targets"][-1]["reference"] == N * FULL_S
    assert "| τ inside families, at 1/9 of the steps | 1 | at least 0.6 | met |" in findings.markdown()
    assert findings.picture().axes[0].get_title() == "made_up: 16 configurations, 10 replays on 3 seeds"


def test_a_training_is_one_line_and_a_row_per_share() -> None:
    measured = Measured(Lesson(4, 1, "prefix", SHARES), (0.5, 0.6), (1.0, 2.0, 2.5), "diverged")
    assert Measured.of_line(measured.line()) == measured
    rows = list(measured.rows())
    assert [(row["kind"], row["score"], row["seconds"]) for row in rows[:2]] == [("prefix", 0.5, 1), ("prefix", 0.6, 2)]
    assert (rows[2]["kind"], rows[2]["share"], rows[2]["seconds"]) == ("whole", FULL, 2.5)
    assert np.isnan(rows[2]["score"])


@pytest.fixture
def root(tmp_path: Path, digits_folder: Path) -> Path:
    """Return a repository with the digits and an experiment of 8 small networks."""
    (tmp_path / "experiments").mkdir()
    text = TEXT.replace("model: [mlp, cnn]", "model: [mlp]").replace("trials: 17", "trials: 9").split("  cnn.width")[0]
    text = (
        text.replace("[32, 64]", "[8, 16]")
        .replace("batch_size: 64", "batch_size: 16")
        .replace("n_epochs: 3", "n_epochs: 4")
    )
    (tmp_path / "experiments/tiny.yaml").write_text(text.replace(", seeds: 2", ""))
    (tmp_path / "data/split").mkdir(parents=True)
    (tmp_path / "data/split/digits").symlink_to(digits_folder)
    return tmp_path


def test_a_table_is_trained_resumed_and_analysed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proof = Proof.of(root, "tiny", 2)
    proof.train(workers=1)
    assert len(proof.measured()) == len(proof.lessons()) == 8 * 2 * 4
    table = proof.table()
    assert (table.n, table.n_seeds) == (8, 2)
    assert (table.scores("whole", FULL) > 0.05).all()
    for share in (1 / 9, 1 / 3):  # a prefix is measured while the full training continues
        assert (table.seconds("prefix", share) < table.seconds("whole", FULL)).all()
    file = proof.folder / "trainings.jsonl"
    complete = {measured.lesson: measured.scores for measured in proof.measured()}
    file.write_text(file.read_text()[:-9])  # as after a kill
    assert len(proof.measured()) == len(complete) - 1
    assert run(root, ["tiny", "--seeds", "2", "--workers", "1"]) == 0
    assert {measured.lesson: measured.scores for measured in proof.measured()} == complete
    assert "tiny: 8 configurations, 2 seeds" in capsys.readouterr().out
    assert json.loads((root / "reports/search_proof_tiny.json").read_text())["n_configurations"] == 8
    assert (root / "reports/search_proof_tiny.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_examined_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root, ["tiny", "--no-training"]) == 2
    assert "0 are" in capsys.readouterr().err
    file = root / "experiments/tiny.yaml"
    file.write_text(file.read_text().replace("fidelity:", "pruner: {name: none}\n#"))
    assert run(root, ["tiny"]) == 2
    assert "no `fidelity`" in capsys.readouterr().err
    (root / "data/split/digits").unlink()
    assert run(root, ["tiny"]) == 2
    assert "dvc repro split@digits" in capsys.readouterr().err
