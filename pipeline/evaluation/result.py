"""The result of an evaluation: predictions, the thresholds chosen on val, and the artifacts written from them."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.artifacts.evaluation import FILE_TYPES, STEP_TYPES, Evaluation, EvaluationInfo, Retrained, RetrainedModel
from pipeline.artifacts.predictions import PREDICTION_COLUMNS, prediction_table, probability_columns
from pipeline.artifacts.runs import EvaluationRuns, Origin, RetrainingRun
from pipeline.artifacts.samples import PARTS, DatasetInfo, DataSource, Samples
from pipeline.artifacts.search_result import StudyInfo
from pipeline.core.progress import track
from pipeline.evaluation.model_card import write_model_card
from pipeline.evaluation.retrain import FinishedRetraining
from pipeline.statistics.roc import choose_threshold
from pipeline.training.prediction import load_trained, predict
from pipeline.training.process import keep_freed_memory


def predict_all(retrained: Sequence[FinishedRetraining], parts: Sequence[Samples]) -> pd.DataFrame:
    """Return one row per retraining and image, with PREDICTION_COLUMNS and one probability per class."""
    keep_freed_memory()
    tables = []
    for finished in track(retrained, "predict", unit="models"):
        description, plan = finished.result.description, finished.plan
        network = load_trained(description, plan.weights)
        for samples in parts:
            table = prediction_table(predict(network, description, samples.images), samples)
            tables.append(table.assign(model=plan.model, seed=plan.seed))
    return pd.concat(tables)[[*PREDICTION_COLUMNS, *probability_columns(parts[0].info.classes)]]


@dataclass(frozen=True)
class Thresholds:
    """An image counts as positive where the summed probability of the positive classes reaches the threshold."""

    min_sensitivity: float  # that each threshold keeps on val
    of_run: dict[tuple[str, int], float | None]  # by model and seed; None without positive classes


def choose_thresholds(predictions: pd.DataFrame, info: DatasetInfo, min_sensitivity: float) -> Thresholds:
    """Return the threshold of each model and seed, chosen on val."""
    on_val = predictions[predictions["part"] == "val"]
    of_run: dict[Any, float | None] = {}
    for run, rows in on_val.groupby(["model", "seed"]):
        score = info.positive_score(rows[probability_columns(info.classes)].to_numpy())
        task = info.is_positive[rows["label"]], score, rows["group"]
        of_run[run] = choose_threshold(*task, min_sensitivity) if info.positive else None
    return Thresholds(min_sensitivity, of_run)


def data_sources(data: Sequence[Samples]) -> list[DataSource]:
    """Return the parts that the samples hold."""
    return [samples.source(part) for samples in data for part in PARTS if (samples.table["part"] == part).any()]


def evaluation_result(
    study: StudyInfo,
    data: Sequence[Samples],
    retrained: Sequence[FinishedRetraining],
    predictions: pd.DataFrame,
    thresholds: Thresholds,
    *,
    seed_share: float | None = None,
) -> Evaluation:
    """Return what the retrained models and their predictions amount to.

    data: development and test. seed_share: see EvaluationInfo.
    """
    models: dict[str, RetrainedModel] = {}
    for finished in retrained:
        plan, result = finished.plan, finished.result
        run = Retrained(
            seed=plan.seed,
            threshold=thresholds.of_run[plan.model, plan.seed],
            best_epoch=result.best_epoch,
            val_score=result.score,
        )
        empty = RetrainedModel(config=plan.job.config, parameters=result.n_parameters, runs=[])
        models.setdefault(plan.model, empty).runs.append(run)
    info = EvaluationInfo(
        **study.model_dump(include={"experiment", "question", "study", "objective"}),
        dataset=data[0].info,
        models=models,
        min_sensitivity=thresholds.min_sensitivity,
        sources=data_sources(data),
        seed_share=seed_share,
    )
    curves = [{"model": f.plan.model, "seed": f.plan.seed, **asdict(e)} for f in retrained for e in f.result.epochs]
    steps = [(f.plan.model, f.plan.seed, *part) for f in retrained for part in f.result.slices]
    return Evaluation(
        info,
        predictions=predictions,
        curves=pd.DataFrame(curves).drop(columns="seconds"),
        steps=pd.DataFrame(steps, columns=list(STEP_TYPES)),
        files=pd.concat([samples.table[list(FILE_TYPES)] for samples in data]),
    )


def evaluation_runs(
    retrained: Sequence[FinishedRetraining], of_folds: Sequence[FinishedRetraining], origin: Origin
) -> EvaluationRuns:
    """Return when and where the models were retrained. of_folds: trainings of the cross-validation."""
    runs = [
        RetrainingRun(
            model=finished.plan.model,
            seed=finished.plan.seed,
            run_id=finished.run_id,
            started_ms=finished.result.started_ms,
            epoch_seconds=[epoch.seconds for epoch in finished.result.epochs],
        )
        for finished in retrained
    ]
    fold_seconds = sum(finished.result.metrics["seconds"] for finished in of_folds)
    return EvaluationRuns(origin=origin, retrainings=runs, fold_seconds=fold_seconds)


def champion(evaluation: Evaluation, retrained: Sequence[FinishedRetraining]) -> FinishedRetraining:
    """Return the retraining that the registry serves and the explanations show."""
    key = "winner", evaluation.info.champion.seed
    return next(finished for finished in retrained if (finished.plan.model, finished.plan.seed) == key)


def write_models(evaluation: Evaluation, retrained: Sequence[FinishedRetraining], folder: Path) -> None:
    """Write `<model>/model.json`, `<model>/seed-<seed>.safetensors` and MODEL_CARD.md."""
    for finished in retrained:
        plan = finished.plan
        finished.result.description.write(folder / plan.model / "model.json")
        shutil.copyfile(plan.weights, folder / plan.model / f"seed-{plan.seed}.safetensors")
    write_model_card(evaluation, retrained[0].result.description, folder / "MODEL_CARD.md")
