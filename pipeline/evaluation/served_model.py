"""A trained model as it is used: its networks, what its images must look like, and when an image counts as positive.

Read from data/evaluate/, or from the folder that the model registry keeps of a champion.
"""

import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.artifacts.evaluation import FILE_TYPES, Evaluation, EvaluationInfo, Retrained, read_table
from pipeline.artifacts.json_file import JsonFile, JsonPart
from pipeline.artifacts.layout import rebuild
from pipeline.artifacts.samples import DatasetInfo
from pipeline.core.errors import DataError
from pipeline.core.files import writing
from pipeline.statistics.roc import choose_threshold
from pipeline.training.network import ModelDescription
from pipeline.training.prediction import load_trained, mean_logits, predict

Choice = Literal["champion", "median", "all"]
CHOICES: tuple[Choice, ...] = ("champion", "median", "all")


class SizeRange(JsonPart):
    """Smallest and largest width and height of the published images, pixels, and of width / height."""

    width: tuple[float, float]
    height: tuple[float, float]
    aspect: tuple[float, float]

    @classmethod
    def of(cls, files: pd.DataFrame) -> "SizeRange":
        """Return the range. files: FILE_TYPES."""
        aspect = files["width"] / files["height"]
        columns = {"width": files["width"], "height": files["height"], "aspect": aspect}
        return cls(**{name: (float(column.min()), float(column.max())) for name, column in columns.items()})


class ChampionInfo(JsonFile):
    """champion.json: what the registry keeps of a champion besides model.json, dataset.json and its weights."""

    experiment: str
    seed: int
    val_score: float  # of the objective
    threshold: float | None  # of the positive score, chosen on val; None without positive classes
    sizes: SizeRange


@dataclass(frozen=True)
class ServedModel:
    """One network or several that answer as one. origin: where they were read, for people."""

    networks: list[nn.Module]
    description: ModelDescription
    dataset: DatasetInfo
    threshold: float | None  # an image is positive where the positive score reaches it; None without positive classes
    sizes: SizeRange
    origin: str

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return (S, N, K) of S networks, with six decimals as in predictions.csv. images: (N, H, W, C)."""
        each = [predict(network, self.description, images) for network in self.networks]
        return np.stack(each).astype(np.float64).round(6)


class Served(nn.Module):
    """A network that prepares its images itself, so that callers of an exported program need not know how."""

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


def read_evaluated(folder: Path, choice: Choice) -> ServedModel:
    """Return what an evaluation has retrained of the winner. folder: data/evaluate/<experiment>.

    champion: the seed with the highest score on val; median: the one with the median score, the lower of two; all:
    every seed, with a threshold that is chosen on val for the mean of their positive scores.
    Raises DataError if a file is missing or damaged.
    """
    info = EvaluationInfo.read(folder / "metrics.json")
    runs = info.models["winner"].runs
    by_score = sorted(runs, key=lambda run: run.val_score)
    chosen = {"champion": [info.champion], "median": [by_score[(len(runs) - 1) // 2]], "all": runs}[choice]
    threshold = _mean_threshold(folder) if choice == "all" and info.dataset.positive else chosen[0].threshold
    weights = [folder / "model/winner" / f"seed-{run.seed}.safetensors" for run in chosen]
    if missing := [f"{path}: no such file" for path in weights if not path.is_file()]:
        raise DataError(f"{folder}: weights are missing; run: {rebuild(folder)}", missing)
    description = ModelDescription.read(folder / "model/winner/model.json")
    return ServedModel(
        [load_trained(description, path) for path in weights],
        description,
        info.dataset,
        threshold=threshold,
        sizes=SizeRange.of(read_table(folder / "files.csv", FILE_TYPES)),
        origin=f"{folder}: {_named(choice, chosen, info.objective)}",
    )


def _named(choice: Choice, runs: Sequence[Retrained], objective: str) -> str:
    if choice == "all":
        return f"winner, all {len(runs)} seeds"
    return f"winner, seed {runs[0].seed}, the {choice} by {objective} on val ({runs[0].val_score:.4f})"


def _mean_threshold(folder: Path) -> float:
    """Return the threshold of the mean positive score over the seeds, chosen on val as that of each seed is."""
    evaluation = Evaluation.read(folder)
    val = evaluation.parts["val"]
    score = val.models["winner"].positive_score.mean(axis=0)
    return choose_threshold(val.positive, score, val.groups, evaluation.info.min_sensitivity)


def write_champion(evaluation: Evaluation, models: Path, folder: Path) -> None:
    """Write champion.json, dataset.json, model.json and weights.safetensors. models: data/evaluate/<e>/model/winner."""
    champion = evaluation.info.champion
    ChampionInfo(
        experiment=evaluation.info.experiment,
        **champion.model_dump(include={"seed", "val_score", "threshold"}),
        sizes=SizeRange.of(evaluation.files),
    ).write(folder / "champion.json")
    evaluation.dataset.write(folder / "dataset.json")
    shutil.copyfile(models / "model.json", folder / "model.json")
    shutil.copyfile(models / f"seed-{champion.seed}.safetensors", folder / "weights.safetensors")


def read_champion(folder: Path, origin: str) -> ServedModel:
    """Return what `write_champion` wrote. Raises DataError or InputError if a file is missing or damaged."""
    info = ChampionInfo.read(folder / "champion.json")
    description = ModelDescription.read(folder / "model.json")
    return ServedModel(
        [load_trained(description, folder / "weights.safetensors")],
        description,
        DatasetInfo.read(folder / "dataset.json"),
        threshold=info.threshold,
        sizes=info.sizes,
        origin=f"{origin}: winner, seed {info.seed}",
    )


def export_program(served: ServedModel, path: Path) -> None:
    """Write the first network as a program of torch.export, which needs none of this package.

    It maps (B, C, H, W) float32 of 0 to 255 to (B, K) probabilities, in float32, and carries model.json.
    """
    network = Served(served.networks[0].cpu(), served.description).eval().requires_grad_(False)
    shapes = served.description.shapes
    example = torch.full((2, shapes.channels, shapes.height, shapes.width), 128.0)  # two rows: one would fix B at 1
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(
        network.to(memory_format=torch.contiguous_format), (example,), dynamic_shapes={"images": {0: batch}}
    )
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={"model.json": served.description.model_dump_json(indent=2)})
    with writing(path) as part:
        part.write_bytes(buffer.getvalue())
