"""The retrained winner as a model that can be served: in MLflow's registry, under the alias `champion`."""

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
from pipeline.tracking.mlflow import UNREACHABLE
from pipeline.tracking.sqlite import address
from pipeline.training.network import ModelDescription
from pipeline.training.prediction import load_trained, mean_logits

_log = logging.getLogger(__name__)


def register_champion(
    root: Path, uri: str | None, name: str, run_id: str, model: nn.Module, example: np.ndarray
) -> None:
    """Points the alias `champion` of `name` in MLflow's registry at the model of the run, registered if it is not yet.

    example: (B, ...) input of at least two rows, from which the signature is taken. A server that is away is told of,
    not waited for: the weights stand in data/evaluate/ in any case.
    """
    client = MlflowClient(address(root, uri))
    mlflow.set_tracking_uri(client.tracking_uri)
    with torch.inference_mode():
        signature = infer_signature(example, model(torch.from_numpy(example)).numpy())
    try:
        known = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
        if known:
            version = known[0].version
        else:
            with mlflow.start_run(run_id=run_id):
                info = mlflow.pytorch.log_model(
                    model, name="model", input_example=example, signature=signature, registered_model_name=name,
                    pip_requirements=["torch"],
                )  # fmt: skip
            version = info.registered_model_version
        client.set_registered_model_alias(name, "champion", str(version))
    except UNREACHABLE as error:
        _log.warning("the model of %s is not registered: %s", name, first_line(error))


class Served(nn.Module):
    """From pixels to probabilities, so that who calls the registered model need not know how images are prepared."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, model: nn.Module, description: ModelDescription) -> None:
        super().__init__()
        self.model, self.augmentation = model, description.test_time_augmentation
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(getattr(description, name)).view(1, -1, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """images: (B, C, H, W) float32 of 0 to 255. Returns (B, K)."""
        return mean_logits(self.model, (images - self.mean) / self.std, self.augmentation).softmax(1)


def register_winner(info: EvaluationInfo, evaluated: EvaluationRuns, folder: Path, setup: Workspace) -> None:
    """Make the best run of the winner the champion of its experiment.

    folder: model.json and one file of weights per seed. Nothing is registered where MLflow could not be reached.
    """
    seed = info.champion.seed
    run_id = evaluated.of("winner", seed).run_id
    if not run_id:
        return
    description = ModelDescription.read(folder / "model.json")
    model = load_trained(description, folder / f"seed-{seed}.safetensors").cpu()
    shapes = description.shapes
    grey = np.full((2, shapes.channels, shapes.height, shapes.width), 128, np.float32)
    served = Served(model, description).eval().to(memory_format=torch.contiguous_format)  # as torch.export wants it
    register_champion(setup.root, setup.search.tracking_uri, info.experiment, run_id, served, grey)
