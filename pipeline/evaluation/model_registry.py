"""The champion in MLflow's model registry, and the publication of a finished evaluation from its artifacts."""

import logging
import os
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow.pyfunc
from mlflow import MlflowClient
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema

from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.predictions import probability_columns
from pipeline.artifacts.runs import EvaluationRuns
from pipeline.artifacts.search_result import SearchResult
from pipeline.core.errors import InputError, first_line
from pipeline.evaluation.retrain import evaluation_lock, retraining_name, study_run
from pipeline.evaluation.served_model import ServedModel, read_champion, write_champion
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.tracking.database import address, only, open_client
from pipeline.tracking.mlflow import UNREACHABLE, write_runs
from pipeline.tracking.roles import Role
from pipeline.tracking.run_record import Outcome, RunRecord, StudyRecord

os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a champion is four small files

ALIAS = "champion"
LOADER = "pipeline.champion"  # module whose `_load_pyfunc` MLflow calls: nothing is unpickled

_log = logging.getLogger(__name__)


def register_champion(evaluation: Evaluation, runs: EvaluationRuns, models: Path, workspace: Workspace) -> None:
    """Point the alias `champion` of the experiment at the best retraining of the winner, registered once.

    models: model.json and one file of weights per seed. If MLflow is unreachable, log a warning and return.
    """
    info = evaluation.info
    run_id = runs.of("winner", info.champion.seed).run_id
    if not run_id:
        return
    try:
        client = open_client(workspace.root, workspace.search.tracking_uri)
        versions = client.search_model_versions(f"name = '{info.experiment}' and run_id = '{run_id}'")
        known = [version for version in versions if version.tags.get("loader") == LOADER]  # others: of an older format
        version = known[0].version if known else _log_champion(client, evaluation, run_id, models)
        client.set_registered_model_alias(info.experiment, ALIAS, str(version))
    except UNREACHABLE as error:
        text = "the champion of %s is not registered: %s; later, run: python -m pipeline publish %s"
        _log.warning(text, info.experiment, first_line(error), info.experiment)


def _log_champion(client: MlflowClient, evaluation: Evaluation, run_id: str, models: Path) -> str:
    """Store the champion with its run, and return its version in the registry."""
    name = evaluation.info.experiment
    with TemporaryDirectory() as folder, only(client), mlflow.start_run(run_id=run_id), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*An input example was not provided")  # nor needed: no input is declared
        write_champion(evaluation, models, Path(folder) / "champion")
        logged = mlflow.pyfunc.log_model(
            name="model",
            loader_module=LOADER,
            data_path=str(Path(folder) / "champion"),
            signature=_signature(evaluation),
            registered_model_name=name,
            pip_requirements=["torch", "timm", "safetensors", "pillow", "pandas"],
        )
    version = str(logged.registered_model_version)
    client.set_model_version_tag(name, version, "loader", LOADER)
    return version


def _signature(evaluation: Evaluation) -> ModelSignature:
    """Return the columns of the answer. No input is declared: MLflow would turn arrays into tables, and refuse them."""
    columns = [ColSpec("string", name) for name in ("file", "class")]
    columns += [ColSpec("double", name) for name in probability_columns(evaluation.classes)]
    if evaluation.positive:
        columns += [ColSpec("double", "positive_score"), ColSpec("double", "threshold"), ColSpec("string", "decision")]
    return ModelSignature(outputs=Schema([*columns, ColSpec("string", "warning")]))


def registered_champion(root: Path, experiment: str, tracking_uri: str | None) -> ServedModel:
    """Return the champion that the registry holds. Raises InputError if MLflow is unreachable or holds none."""
    uri = address(root, tracking_uri)
    evaluate_it = f"run: dvc repro evaluate@{experiment}"
    if not tracking_uri and not (root / "mlflow.db").exists():  # connecting would create it
        raise InputError(f"{experiment}: nothing is trained, neither data/evaluate nor mlflow.db exists; {evaluate_it}")
    try:
        client = open_client(root, tracking_uri)
        version = client.get_model_version_by_alias(experiment, ALIAS)
        where = client.get_model_version_download_uri(experiment, version.version)
        with TemporaryDirectory() as folder, only(client):
            files = Path(mlflow.artifacts.download_artifacts(where, dst_path=folder))
            origin = f"MLflow {uri}: {experiment}@{ALIAS}, version {version.version}"
            flavor = Model.load(str(files)).flavors.get("python_function", {})
            if flavor.get("loader_module") != LOADER:
                again = f"run: python -m pipeline publish {experiment}"
                raise InputError(f"{origin}: registered by another version of this project; {again}")
            return read_champion(files / flavor["data"], origin)
    except UNREACHABLE as error:
        raise InputError(f"{experiment}: no {ALIAS} in MLflow {uri}: {first_line(error)}; {evaluate_it}") from error


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
    with evaluation_lock(workspace, info.study):
        write_runs(root, tracking_uri, StudyRecord(parent, outcome=Outcome("complete")), records.values())
        ids = {key: record.written.run_id for key, record in records.items()}
        retrainings = [run.model_copy(update={"run_id": ids[run.model, run.seed]}) for run in runs.retrainings]
        here = runs.model_copy(update={"retrainings": retrainings})
        register_champion(evaluation, here, folder / "model" / "winner", workspace)


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
