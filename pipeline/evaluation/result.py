"""The result of an evaluation as artifacts: what it found, what differs in every run, and the models."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from pipeline.artifacts.evaluation import FILE_TYPES, STEP_TYPES, Evaluation, EvaluationInfo, Retrained, RetrainedModel
from pipeline.artifacts.runs import EvaluationRuns, Origin, RetrainingRun
from pipeline.artifacts.samples import PARTS, DataSource, Samples
from pipeline.artifacts.search_result import StudyInfo
from pipeline.evaluation.retrain import FinishedRetraining
from pipeline.evaluation.thresholds import Thresholds


def data_sources(data: Sequence[Samples]) -> list[DataSource]:
    """Return the parts that the samples hold."""
    return [samples.source(part) for samples in data for part in PARTS if (samples.table["part"] == part).any()]


def evaluation_result(
    study: StudyInfo,
    data: Sequence[Samples],
    retrained: Sequence[FinishedRetraining],
    predictions: pd.DataFrame,
    thresholds: Thresholds,
) -> Evaluation:
    """Return what the retrained models and their predictions amount to. data: development and test."""
    info = EvaluationInfo(
        experiment=study.experiment,
        question=study.question,
        study=study.study,
        objective=study.objective,
        dataset=data[0].info,
        models=_models(retrained, thresholds),
        min_sensitivity=thresholds.min_sensitivity,
        sources=data_sources(data),
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


def evaluation_runs(retrained: Sequence[FinishedRetraining], origin: Origin) -> EvaluationRuns:
    """Return when and where the models were retrained."""
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
    return EvaluationRuns(origin=origin, retrainings=runs)


def champion(evaluation: Evaluation, retrained: Sequence[FinishedRetraining]) -> FinishedRetraining:
    """Return the retraining that the registry serves and the explanations show."""
    key = "winner", evaluation.info.champion.seed
    return next(finished for finished in retrained if (finished.plan.model, finished.plan.seed) == key)


def write_models(retrained: Sequence[FinishedRetraining], folder: Path) -> None:
    """Write `<model>/model.json` and `<model>/seed-<seed>.safetensors`."""
    for finished in retrained:
        plan = finished.plan
        finished.result.description.write(folder / plan.model / "model.json")
        shutil.copyfile(plan.weights, folder / plan.model / f"seed-{plan.seed}.safetensors")


def _models(retrained: Sequence[FinishedRetraining], thresholds: Thresholds) -> dict[str, RetrainedModel]:
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
    return models
