"""The champion in MLflow's model registry: the best retraining of the winner, from pixels to probabilities."""

import logging
from pathlib import Path

import mlflow.pytorch
import numpy as np
import torch
from mlflow import MlflowClient
from mlflow.models import infer_signature
from torch import nn

from pipeline.artifacts.evaluation import EvaluationInfo
from pipeline.artifacts.runs import EvaluationRuns
from pipeline.core.errors import first_line
from pipeline.execution.settings import Workspace
from pipeline.tracking.mlflow import UNREACHABLE, address
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
