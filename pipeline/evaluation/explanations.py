"""Explain the champion: what it gets wrong and right, what it attends to, what its first layer computes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.artifacts.explanations import LAYER_TYPES, Explanations, ExplanationsInfo
from pipeline.artifacts.predictions import prediction_table
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import PipelineError
from pipeline.evaluation.grad_cam import LayerOutputs, cam_layer, grad_cam, record_outputs
from pipeline.evaluation.metadata_baseline import FILE_FEATURES, predict_from_metadata
from pipeline.evaluation.retrain import FinishedRetraining
from pipeline.models.model_summary import summarise
from pipeline.models.registry import Shapes
from pipeline.training.batches import Normaliser
from pipeline.training.prediction import load_trained

N_KERNELS = 8
N_ERRORS, N_HITS, N_SCANS = 6, 4, 2  # test images shown; those with feature maps
Array = NDArray[Any]


def explain(
    champion: FinishedRetraining, predictions: pd.DataFrame, development: Samples, test: Samples
) -> Explanations:
    """Explain the champion by images of the test part. predictions: of all models on all parts."""
    description, seed = champion.result.description, champion.plan.seed
    of_winner = predictions[(predictions["model"] == champion.plan.model) & (predictions["part"] == "test")]
    examples = choose_examples(of_winner, seed)
    rows = pd.Index(test.table["sample"]).get_indexer(examples["sample"])
    images = np.stack([test.images[row] for row in rows])
    network = load_trained(description, champion.plan.weights).cpu()  # where equal inputs give equal bytes
    n_pixels = description.shapes.height * description.shapes.width
    normalise = Normaliser(description.mean, description.std, n_pixels=n_pixels, device=torch.device("cpu"))
    inputs = normalise(torch.from_numpy(images))  # (N, C, H, W)
    outputs = record_outputs(network, inputs[torch.from_numpy(examples["scan"].to_numpy(copy=True))])
    cam, first = cam_layer(outputs), _first_layer(outputs, inputs.shape[1:])
    baseline, varied = predict_from_metadata(development, test)
    by_files = predict_from_metadata(development, test, FILE_FEATURES)[0].argmax(axis=1)
    layer_table, problem = _layer_table(network, description.shapes)
    info = ExplanationsInfo(
        seed=seed,
        first=first.name if first else None,
        learned=first.learned if first else None,
        n_kernels=first.n_kernels if first else None,
        cam=cam,
        cam_px=list(outputs[cam][1].shape[-2:]) if cam else None,
        varied=varied,
        problem=problem,
    )
    return Explanations(
        info,
        examples=examples,
        images=images,
        cams=grad_cam(network, outputs[cam][0], inputs, examples["predicted"].to_numpy()) if cam else None,
        kernels=first.kernels if first else None,
        maps=first.maps if first else None,
        layers=layer_table,
        metadata_baseline=prediction_table(baseline, test).drop(columns="part").assign(predicted_by_file=by_files),
    )


@dataclass(frozen=True)
class _FirstLayer:
    """The first layer with weights. kernels: (F, C, h, w), the largest; maps: (F, scans, h, w), if it convolves."""

    name: str
    learned: bool
    n_kernels: int
    kernels: Array
    maps: Array | None


def _first_layer(outputs: LayerOutputs, shape: torch.Size) -> _FirstLayer | None:
    named = first_kernels(outputs, shape)
    if not named:
        return None
    name, kernels = named
    layer, output = outputs[name]
    norms = np.linalg.norm(kernels.reshape(len(kernels), -1), axis=1)
    largest = np.argsort(-norms, kind="stable")[:N_KERNELS]
    is_convolution = isinstance(layer, nn.Conv2d)
    maps = output.numpy().transpose(1, 0, 2, 3)[largest].round(4) if is_convolution else None
    learned = layer.get_parameter("weight").requires_grad
    return _FirstLayer(name, learned, len(kernels), kernels[largest], maps)


def first_kernels(outputs: LayerOutputs, shape: torch.Size) -> tuple[str, Array] | None:
    """Return name and kernels (F, C, h, w) of the first layer with weights; None unless kernels are images.

    Those of a convolution are, and those of units that see all pixels (C, H, W) = shape.
    """
    for name, (module, _) in outputs.items():
        if isinstance(module, nn.Conv2d):
            return name, module.weight.detach().numpy()
        if isinstance(module, nn.Linear) and module.in_features == shape.numel():
            return name, module.weight.detach().view(-1, *shape).numpy()
        if any(True for _ in module.parameters(recurse=False)):
            break
    return None


def _layer_table(network: nn.Module, shapes: Shapes) -> tuple[pd.DataFrame, str | None]:
    """Return the table, and why it is empty: not every network that can be trained can be listed."""
    try:
        listed, problem = list(summarise(network, shapes)), None
    except PipelineError as error:
        listed, problem = [], str(error)
    rows = [
        (r.name, r.kind, " × ".join(map(str, r.output)), " × ".join(map(str, r.side_px or ())), r.n_parameters)
        for r in listed
    ]
    return pd.DataFrame(rows, columns=list(LAYER_TYPES)), problem


def choose_examples(predictions: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the most confident errors of a seed, then confident hits of different classes; one image per group.

    scan: feature maps of the image are kept: those of the first hits, or of the first errors if there is no hit.
    n_wrong: seeds that err on the image. predictions: of the winner on test.
    """
    wrong = predictions["predicted"] != predictions["label"]
    n_wrong = wrong.groupby(predictions["sample"]).sum()
    table = predictions[predictions["seed"] == seed].drop(columns=["model", "seed", "part"])
    probabilities = table.filter(regex="^p_").to_numpy()
    table = table.assign(
        kind=np.where(table["predicted"] == table["label"], "hit", "error"),
        n_wrong=table["sample"].map(n_wrong),
        confidence=probabilities[np.arange(len(table)), table["predicted"]],
    )
    table = table.sort_values(["kind", "confidence", "sample"], ascending=[True, False, True])  # errors before hits
    table = table.drop_duplicates("group")
    table["rank"] = table.groupby(["kind", "label"]).cumcount()
    errors = table[table["kind"] == "error"]
    hits = table[table["kind"] == "hit"]
    # each class once before any class twice
    hits = hits.sort_values(["rank", "confidence", "sample"], ascending=[True, False, True])
    shown = pd.concat([errors.head(N_ERRORS), hits.head(N_HITS)], ignore_index=True)
    best = shown.index[shown["kind"] == "hit"] if len(hits) else shown.index
    shown["scan"] = shown.index.isin(best[:N_SCANS])
    names = ["kind", "scan", "sample", "group", "label", "predicted", "n_wrong"]
    return shown[[*names, *table.filter(regex="^p_")]]
