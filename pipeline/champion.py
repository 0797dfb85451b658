"""The retrained winner as a model that can be served: in MLflow's registry, under the alias `champion`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline.files import read_json
from pipeline.prediction import load_trained, logits_of_views
from pipeline.setup import Setup
from pipeline.tracking import register_champion


class Served(nn.Module):
    """From pixels to probabilities, so that who calls the registered model need not know how images are prepared."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, model: nn.Module, description: Mapping[str, Any]) -> None:
        super().__init__()
        self.model, self.views = model, description["views"]
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(description[name]).view(1, -1, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """images: (B, C, H, W) float32 of 0 to 255. Returns (B, K)."""
        return logits_of_views(self.model, (images - self.mean) / self.std, self.views).softmax(1)


def best_run(runs: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The retraining of highest score on val, which the test part has no say in."""
    return max(runs, key=lambda run: float(run["val_score"]))


def register_winner(experiment: str, runs: Sequence[Mapping[str, Any]], folder: Path, setup: Setup) -> None:
    """The best run becomes the champion of its experiment.

    runs: `seed`, `val_score` and `run_id`, which is empty where MLflow could not be reached. folder: model.json and
    one file of weights per seed.
    """
    best = best_run(runs)
    if not best["run_id"]:
        return
    description = read_json(folder / "model.json")
    model = load_trained(description, folder / f"seed-{best['seed']}.safetensors").cpu()
    shapes = description["shapes"]
    grey = np.full((2, shapes["channels"], shapes["height"], shapes["width"]), 128, np.float32)
    served = Served(model, description).eval().to(memory_format=torch.contiguous_format)  # as torch.export wants it
    register_champion(setup.root, setup.search.tracking_uri, experiment, best["run_id"], served, grey)
