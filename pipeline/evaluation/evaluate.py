"""Winner and baseline under fresh seeds: retrained, threshold chosen on val, scored once on test."""

import shutil
from dataclasses import replace

import pandas as pd

from pipeline.artifacts.evaluation import (
    FILE_TYPES,
    PREDICTION_COLUMNS,
    Evaluation,
    EvaluationInfo,
    Retrained,
    RetrainedModel,
    probability_columns,
)
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.runs import EvaluationRuns, Origin, RetrainingRun
from pipeline.artifacts.samples import DEVELOPMENT, Samples
from pipeline.artifacts.search_result import SearchResult
from pipeline.core import provenance
from pipeline.core.files import read_json
from pipeline.core.progress import track
from pipeline.evaluation.explanations import explain_winner
from pipeline.evaluation.model_card import write_model_card
from pipeline.evaluation.predictions import predictions_table, threshold_on_val
from pipeline.evaluation.registry import best_run, register_winner
from pipeline.evaluation.retrain import plan, retrain
from pipeline.execution.settings import Workspace
from pipeline.tracking.run_record import StudyRun
from pipeline.training.network import ModelDescription
from pipeline.training.prediction import load_trained, predict
from pipeline.training.process import keep_freed_memory


def evaluate(
    layout: Layout, experiment: str, dataset: str, setup: Workspace, n_seeds: int, min_sensitivity: float
) -> None:
    """Retrain winner and baseline, choose thresholds on val, and score the test part once.

    Retrainings done before an interruption are taken from `.state/`. Raises PipelineError if a retraining fails.
    """
    found, out = SearchResult.read(layout.search(experiment)), layout.evaluate(experiment)
    study, configs = found.study, {"winner": found.winner, "baseline": found.baseline}
    development = Samples.read(layout.development(dataset))
    test = Samples.read(layout.test(dataset))
    if setup.search.workers == "auto":  # as the search was trained
        update = {"workers": study.workers, "threads": study.threads}
        setup = replace(setup, search=setup.search.model_copy(update=update))
    sources = [*(development.source(part) for part in DEVELOPMENT), test.source("test")]
    origin = provenance.origin(setup.root)
    tags = {**provenance.tags(f"evaluate@{experiment}", origin), "experiment": experiment}
    of_study = StudyRun(study.dataset, study.study, tags, tuple(sources))
    trained = plan(study, configs, layout.development(dataset), setup.evaluations, n_seeds)
    run_ids = retrain(trained, of_study, setup)
    shutil.rmtree(out, ignore_errors=True)  # nothing of an earlier evaluation stays
    runs: dict[str, list[Retrained]] = {name: [] for name in configs}
    parameters: dict[str, int] = {}
    retrainings: list[RetrainingRun] = []
    tables, curves, steps = [], [], []
    keep_freed_memory()
    for done in track(trained, "predict", unit="models"):
        name, seed, record = done.model, done.seed, read_json(done.folder / "run.json")
        weights = out / "model" / name / f"seed-{seed}.safetensors"
        weights.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(done.folder / "weights.safetensors", weights)
        description = ModelDescription.model_validate(record["description"])
        description.write(weights.parent / "model.json")
        model = load_trained(description, weights)
        predicted = [(predict(model, description, s.images), s) for s in (development, test)]
        table = pd.concat([predictions_table(*of_part) for of_part in predicted])
        parameters[name] = record["n_parameters"]
        runs[name].append(
            Retrained(
                seed=seed,
                threshold=threshold_on_val(table, development.info, min_sensitivity),
                best_epoch=record["result"]["best_epoch"],
                val_score=record["result"]["val_score"],
            )
        )
        retrainings.append(
            RetrainingRun(
                model=name,
                seed=seed,
                run_id=run_ids.get(done.name, ""),
                started_ms=record["started_ms"],
                epoch_seconds=[epoch["seconds"] for epoch in record["epochs"]],
            )
        )
        tables.append(table.assign(model=name, seed=seed))
        curves += [{"model": name, "seed": seed, **epoch} for epoch in record["epochs"]]
        steps += [{"model": name, "seed": seed, "step": step, "train_loss": loss} for step, loss in record["slices"]]
    info = EvaluationInfo(
        experiment=experiment,
        question=study.question,
        study=study.study,
        objective=study.objective,
        dataset=development.info,
        models={
            name: RetrainedModel(config=config, parameters=parameters[name], runs=runs[name])
            for name, config in configs.items()
        },
        min_sensitivity=min_sensitivity,
        sources=sources,
    )
    predictions = pd.concat(tables)[[*PREDICTION_COLUMNS, *probability_columns(info.dataset.classes)]]
    files = pd.concat([samples.table[list(FILE_TYPES)] for samples in (development, test)])
    Evaluation(info, predictions, pd.DataFrame(curves).drop(columns="seconds"), pd.DataFrame(steps), files).write(out)
    evaluated = EvaluationRuns(origin=Origin.model_validate(origin), retrainings=retrainings)
    evaluated.write(layout.evaluation_runs(experiment))
    write_model_card(out)
    register_winner(info, evaluated, out / "model" / "winner", setup)
    best = out / "model" / "winner" / f"seed-{best_run(info.models['winner'].runs).seed}.safetensors"
    of_winner = predictions[(predictions["model"] == "winner") & (predictions["part"] == "test")]
    explain_winner(best, of_winner, development, test).write(out / "explanations")
