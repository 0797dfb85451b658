"""Publication of a finished evaluation: its runs and its champion in MLflow, written again from the artifacts."""

from pathlib import Path

from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.runs import EvaluationRuns
from pipeline.artifacts.search_result import SearchResult
from pipeline.core.files import locked
from pipeline.evaluation.model_registry import register_champion
from pipeline.evaluation.retrain import evaluation_lock, retraining_name, study_run
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.tracking.mlflow import write_runs
from pipeline.tracking.roles import Role
from pipeline.tracking.run_record import Outcome, RunRecord, StudyRecord


def publish_evaluation(root: Path, experiment: str, tracking_uri: str | None) -> None:
    """Write what MLflow lacks of the evaluation, if there is one. Raises BusyError while it runs."""
    layout, workspace = Layout(root), Workspace(root, SearchSettings(tracking_uri=tracking_uri))
    folder = layout.evaluate(experiment)
    if not (folder / "metrics.json").exists():
        return
    evaluation, runs = Evaluation.read(folder), EvaluationRuns.read(layout.evaluation_runs(experiment))
    info = evaluation.info
    parent = study_run(SearchResult.read(layout.search(experiment)).study, info.sources, runs.origin)
    records = published_records(evaluation, runs)
    with locked(evaluation_lock(workspace, info.study), f"the evaluation of {info.study}"):
        write_runs(root, tracking_uri, StudyRecord(parent, outcome=Outcome("complete")), records.values())
        ids = {key: record.written.run_id for key, record in records.items()}
        retrainings = [run.model_copy(update={"run_id": ids[run.model, run.seed]}) for run in runs.retrainings]
        here = runs.model_copy(update={"retrainings": retrainings})
        register_champion(info, here, folder / "model" / "winner", workspace)


def published_records(evaluation: Evaluation, runs: EvaluationRuns) -> dict[tuple[str, int], RunRecord]:
    """Return the runs that MLflow should hold, by model and seed."""
    curves = dict(list(evaluation.curves.groupby(["model", "seed"])))
    records: dict[tuple[str, int], RunRecord] = {}
    for model, retrained in evaluation.info.models.items():
        for k, result in enumerate(retrained.runs):
            key, run = (model, result.seed), runs.of(model, result.seed)
            name = retraining_name(model, k)
            record = RunRecord(name, Role.EVALUATE, retrained.config, result.seed, run.started_ms)
            record.epochs = run.epochs(curves[key])
            record.finish("complete", {"score": result.val_score, "seconds": run.seconds})
            records[key] = record
    return records
