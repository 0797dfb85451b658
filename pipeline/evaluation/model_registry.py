"""The champion in MLflow's model registry, and the publication of a finished evaluation from its artifacts."""

import logging
from pathlib import Path

import mlflow.pytorch
import numpy as np
import torch
from mlflow import MlflowClient
from mlflow.models import infer_signature
from torch import nn

from pipeline.artifacts.evaluation import Evaluation, EvaluationInfo
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.runs import EvaluationRuns
from pipeline.artifacts.search_result import SearchResult
from pipeline.core.errors import first_line
from pipeline.evaluation.retrain import evaluation_lock, retraining_name, study_run
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.tracking.mlflow import UNREACHABLE, address, write_runs
from pipeline.tracking.roles import Role
from pipeline.tracking.run_record import Outcome, RunRecord, StudyRecord
from pipeline.training.network import ModelDescription
from pipeline.training.prediction import load_trained, mean_logits

_log = logging.getLogger(__name__)


class Served(nn.Module):
    """A model that prepares its images itself, so that callers of the registry need not know how."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, model: nn.Module, description: ModelDescription) -> None:
        super().__init__()
        self.model, self.augmentation = model, description.test_time_augmentation
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(getattr(description, name)).view(1, -1, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (B, K) probabilities. images: (B, C, H, W) float32, 0 to 255."""
        return mean_logits(self.model, (images - self.mean) / self.std, self.augmentation).softmax(1)


def register_champion(info: EvaluationInfo, runs: EvaluationRuns, folder: Path, workspace: Workspace) -> None:
    """Point the alias `champion` of the experiment at the best retraining of the winner, registered once.

    folder: model.json and one file of weights per seed. If MLflow is unreachable, log a warning and return.
    """
    seed = info.champion.seed
    run_id = runs.of("winner", seed).run_id
    if not run_id:
        return
    description = ModelDescription.read(folder / "model.json")
    model = load_trained(description, folder / f"seed-{seed}.safetensors").cpu()
    served = Served(model, description).eval().to(memory_format=torch.contiguous_format)  # torch.export requires it
    shapes = description.shapes
    example = np.full((2, shapes.channels, shapes.height, shapes.width), 128, np.float32)  # it requires two rows, too
    client = MlflowClient(address(workspace.root, workspace.search.tracking_uri))
    try:
        known = client.search_model_versions(f"name = '{info.experiment}' and run_id = '{run_id}'")
        version = known[0].version if known else _log_model(client, info.experiment, run_id, served, example)
        client.set_registered_model_alias(info.experiment, "champion", str(version))
    except UNREACHABLE as error:
        _log.warning("the champion of %s is not registered: %s; run publish later", info.experiment, first_line(error))


def _log_model(client: MlflowClient, name: str, run_id: str, model: nn.Module, example: np.ndarray) -> str:
    """Store the model with the run, and return its version in the registry."""
    mlflow.set_tracking_uri(client.tracking_uri)
    with torch.inference_mode():
        signature = infer_signature(example, model(torch.from_numpy(example)).numpy())
    with mlflow.start_run(run_id=run_id):
        logged = mlflow.pytorch.log_model(
            model,
            name="model",
            input_example=example,
            signature=signature,
            registered_model_name=name,
            pip_requirements=["torch"],
        )
    return str(logged.registered_model_version)


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
