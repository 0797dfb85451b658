"""Cross-validation: every group is predicted by models that were neither trained nor tuned on any of its images.

The sealed test part is the first fold, and its models are those of the evaluation itself. The development part is cut
into the other folds. A model of such a fold is trained on all other images, the sealed test part included; it is kept
for its predictions alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from pipeline.artifacts.cross_validation import COPIES, FOLD_TYPES, GROUP, CrossValidation, FoldRun, FoldsInfo
from pipeline.artifacts.evaluation import MODELS
from pipeline.artifacts.predictions import prediction_table, probability_columns
from pipeline.artifacts.samples import DatasetInfo, Samples
from pipeline.artifacts.search_result import SearchResult
from pipeline.core import provenance
from pipeline.core.errors import DataError
from pipeline.core.progress import size_text, track
from pipeline.core.seeds import derive_seed
from pipeline.evaluation.retrain import FinishedRetraining, Retraining, plan_one
from pipeline.statistics.calibration import fit_temperature
from pipeline.statistics.roc import choose_threshold
from pipeline.training.prediction import load_trained, predict

REPEATS = {GROUP: {"winner": 2, "baseline": 1}, COPIES: {"winner": 1}}
"""trainings of each fold: under other seeds"""
SEALED = 1  # number of the fold that is the test part
MAX_BYTES = 4 * 2**30  # of all images: they are copied into memory, and to disk for each fold
N_IN_DOUBT = 24  # images that are kept for the page


@dataclass(frozen=True)
class Fold:
    """One fold of a cross-validation."""

    by: str  # column of samples.csv whose values are never divided: `group`, or `copies` to show what that would hide
    number: int  # from 1
    samples: Samples  # all images; the part `test` is held out, `train` and `val` are for a training


def draw_folds(development: Samples, test: Samples, n_folds: int | None, seed: int) -> list[Fold]:
    """Return the folds by group and, where patients are known, those by copies alone.

    None without n_folds, if the published test part is kept, if a class has fewer groups than there are folds, or if
    the images are larger than MAX_BYTES, which is printed.
    """
    table = pd.concat([development.table, test.table], ignore_index=True)
    n_groups = table.groupby("label")["group"].nunique()
    if n_folds is None or development.info.keeps_official_test or n_groups.min() < n_folds:
        return []
    if (n_bytes := development.images.nbytes + test.images.nbytes) > MAX_BYTES:
        limit = f"its images are {size_text(n_bytes)}, and folds are limited to {size_text(MAX_BYTES)}"
        print(f"{development.info.name}: no cross-validation: {limit}")
        return []
    everything = Samples(np.concatenate([development.images, test.images]), table, development.info)
    in_test = (table["part"] == "test").to_numpy()
    folds = np.full(len(table), SEALED)
    folds[~in_test] += 1 + _deal(table[~in_test], GROUP, n_folds - 1, seed)
    drawn = {GROUP: folds}
    if (table["copies"] != table["group"]).any():
        drawn[COPIES] = 1 + _deal(table, COPIES, n_folds, seed)
    return [
        _fold(everything, by, number, of_row == number, seed)
        for by, of_row in drawn.items()
        for number in range(1, n_folds + 1)
    ]


def _deal(table: pd.DataFrame, by: str, n_folds: int, seed: int) -> np.ndarray:
    """Return a number from 0 per row, (N,), equal for equal values of `by`; every class is spread evenly."""
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=derive_seed(seed, "folds", by) % 2**32)
    of_row = np.empty(len(table), dtype=np.int64)
    for number, (_, held_out) in enumerate(splitter.split(table, table["label"], table[by])):
        of_row[held_out] = number
    return of_row


def _fold(everything: Samples, by: str, number: int, held_out: np.ndarray, seed: int) -> Fold:
    """Hold the rows out; divide the others into train and val in the proportion of the development part."""
    table = everything.table.copy()
    if not (by == GROUP and number == SEALED):
        sizes = everything.table["part"].value_counts()
        n_shares = max(2, round(1 + sizes["train"] / sizes["val"]))
        rest = _deal(table[~held_out], by, n_shares, derive_seed(seed, "val", number))
        table["part"] = "test"
        table.loc[~held_out, "part"] = np.where(rest == 0, "val", "train")
    divided = table.groupby(by)["part"].nunique() > 1
    if divided.any():
        raise DataError(f"fold {number}: {by} in several parts", list(divided.index[divided]))
    return Fold(by, number, replace(everything, table=table))


def plan_folds(result: SearchResult, folds: Sequence[Fold], evaluations: Path, n_seeds: int) -> list[Retraining]:
    """Return the trainings of all folds but the sealed one, whose models are the n_seeds of the evaluation."""
    configs = dict(zip(MODELS, (result.winner, result.baseline), strict=True))
    study, planned = result.study, []
    for fold in folds:
        if _is_sealed(fold):
            continue
        place = evaluations / "folds" / f"{study.study}-{fold.by}-{fold.number}"
        content = provenance.digest([study.hashes, *fold.samples.table["sha256"], *fold.samples.table["part"]])
        of_fold = study.model_copy(update={"hashes": {**study.hashes, "fold": content}})
        for model, n in REPEATS[fold.by].items():
            for k in range(min(n, n_seeds)):
                one = plan_one(of_fold, model, configs[model], place, evaluations, k)
                name = f"{one.name}-{fold.by}-fold-{fold.number}"
                planned.append(replace(one, name=name, data=fold.samples))
    return planned


def _is_sealed(fold: Fold) -> bool:
    return fold.by == GROUP and fold.number == SEALED


def cross_validate(
    folds: Sequence[Fold], trained: Sequence[FinishedRetraining], dataset: DatasetInfo, min_sensitivity: float
) -> CrossValidation:
    """Predict every held-out image. trained: by `plan_folds`, and those of the evaluation for the sealed fold."""
    runs: list[FoldRun] = []
    columns = [*FOLD_TYPES, *probability_columns(dataset.classes)]
    tables = [pd.DataFrame(columns=columns)] if not folds else []
    for fold in track(folds, "cross-validate", unit="folds"):
        for finished in _models(fold, trained):
            run, table = _predict_fold(fold, finished, min_sensitivity)
            runs.append(run)
            tables.append(table.assign(by=run.by, fold=run.fold, model=run.model, seed=run.seed))
    info = FoldsInfo(dataset=dataset, runs=runs)
    without = CrossValidation(info, pd.concat(tables)[columns], np.zeros((0, *dataset.image_shape), np.uint8))
    if not folds:
        return without
    held_out = without.of(GROUP, "winner")
    shown = held_out.part.samples[held_out.doubts.order[:N_IN_DOUBT]]
    samples = folds[0].samples
    rows = pd.Index(samples.table["sample"]).get_indexer(shown)
    return replace(without, in_doubt=samples.images[rows])


def _models(fold: Fold, trained: Sequence[FinishedRetraining]) -> list[FinishedRetraining]:
    if not _is_sealed(fold):
        return [finished for finished in trained if finished.plan.data is fold.samples]
    of_evaluation = [finished for finished in trained if finished.plan.data is None]
    repeats = REPEATS[GROUP].items()
    return [f for model, n in repeats for f in [f for f in of_evaluation if f.plan.model == model][:n]]


def _predict_fold(fold: Fold, finished: FinishedRetraining, min_sensitivity: float) -> tuple[FoldRun, pd.DataFrame]:
    """Return a model's predictions of the held-out images, and its threshold and temperature chosen on val."""
    samples, info, plan = fold.samples, fold.samples.info, finished.plan
    network = load_trained(finished.result.description, plan.weights)

    def predicted(part: str) -> pd.DataFrame:
        """Return one row per image of a part."""
        rows = (samples.table["part"] == part).to_numpy()
        of_part = replace(samples, images=samples.images[rows], table=samples.table[rows])
        return prediction_table(predict(network, finished.result.description, of_part.images), of_part)

    val, held_out = predicted("val"), predicted("test")
    probabilities = val[probability_columns(info.classes)].to_numpy()
    task = info.is_positive[val["label"]], info.positive_score(probabilities), val["group"]
    temperature = float(fit_temperature(probabilities[None], val["label"].to_numpy())[0])
    seen = samples.table.loc[samples.table["part"] != "test", "group"]
    run = FoldRun(
        by=fold.by,
        fold=fold.number,
        model=plan.model,
        seed=plan.seed,
        best_epoch=finished.result.best_epoch,
        val_score=finished.result.score,
        threshold=choose_threshold(*task, min_sensitivity) if info.positive else None,
        temperature=None if np.isnan(temperature) else temperature,
        n_images=len(held_out),
        n_seen=int(held_out["group"].isin(seen).sum()),
    )
    return run, held_out
