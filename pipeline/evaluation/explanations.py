"""Explain the champion: what it gets wrong and right, what it attends to, what its first layer computes."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from captum.attr import LayerAttribution, LayerGradCam
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.artifacts.evaluation import probability_columns
from pipeline.artifacts.explanations import LAYER_TYPES, Explanations, ExplanationsInfo
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import PipelineError
from pipeline.evaluation.metadata_baseline import predict_from_files
from pipeline.models.model_summary import summarise
from pipeline.models.registry import Shapes
from pipeline.training.network import ModelDescription
from pipeline.training.normalisation import Normaliser
from pipeline.training.prediction import load_trained

N_ERRORS, N_HITS, N_SCANS, N_KERNELS = 6, 4, 2, 8
POOLINGS = (nn.MaxPool2d, nn.AvgPool2d)
Array = NDArray[Any]
LayerOutputs = dict[
    str, tuple[nn.Module, Tensor]
]  # layer and output by name, in the order in which the layers are done


def explain_winner(weights: Path, predictions: pd.DataFrame, development: Samples, test: Samples) -> Explanations:
    """Explain one retraining of the winner.

    weights: of that retraining, beside its model.json. predictions: those of the winner on test, every seed.
    """
    description = ModelDescription.read(weights.parent / "model.json")
    seed = int(weights.stem.removeprefix("seed-"))
    examples = choose_examples(predictions, seed)
    rows = pd.Index(test.table["sample"]).get_indexer(examples["sample"])
    images = np.stack([test.images[row] for row in rows])
    found, arrays = explain(load_trained(description, weights), description, images, examples)
    layer_table, problem = _layers(load_trained(description, weights), description.shapes)
    baseline, varied = predict_from_files(development, test)
    return Explanations(
        info=ExplanationsInfo(seed=seed, **found, varied=varied, problem=problem),
        examples=examples,
        images=images,
        cams=arrays.get("cams"),
        kernels=arrays.get("kernels"),
        maps=arrays.get("maps"),
        layers=layer_table,
        metadata_baseline=_told(baseline, test),
    )


def choose_examples(predictions: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One image per group: the errors of that seed, surest first, and sure hits of as many classes as there are.

    The first hits, or errors without any, are the scans whose feature maps are kept.
    """
    wrong = predictions["predicted"] != predictions["label"]
    n_wrong = wrong.groupby(predictions["sample"]).sum()
    table = predictions[predictions["seed"] == seed].drop(columns=["model", "seed", "part"])
    shares = table.filter(regex="^p_").to_numpy()
    table = table.assign(
        kind=np.where(table["predicted"] == table["label"], "hit", "error"),
        n_wrong=table["sample"].map(n_wrong),
        sure=shares[np.arange(len(table)), table["predicted"]],
    )
    table = table.sort_values(["kind", "sure", "sample"], ascending=[True, False, True])  # errors before hits
    table = table.drop_duplicates("group")
    table["rank"] = table.groupby(["kind", "label"]).cumcount()
    errors, hits = (table[table["kind"] == kind] for kind in ("error", "hit"))
    hits = hits.sort_values(["rank", "sure", "sample"], ascending=[True, False, True])  # each class before one twice
    shown = pd.concat([errors.head(N_ERRORS), hits.head(N_HITS)], ignore_index=True)
    best = shown.index[shown["kind"] == "hit"] if len(hits) else shown.index
    shown["scan"] = shown.index.isin(best[:N_SCANS])
    names = ["kind", "scan", "sample", "group", "label", "predicted", "n_wrong"]
    return shown[[*names, *table.filter(regex="^p_")]]


def explain(
    model: nn.Module, description: ModelDescription, images: Array, examples: pd.DataFrame
) -> tuple[dict[str, Any], dict[str, Array]]:
    """The layers looked at, and what they hold. images: (N, H, W, C) uint8, one per row of examples."""
    model = model.cpu().eval()  # where equal inputs give equal bytes
    n_pixels = description.shapes.height * description.shapes.width
    normalise = Normaliser(description.mean, description.std, n_pixels=n_pixels, device=torch.device("cpu"))
    inputs = normalise(torch.from_numpy(images))  # (N, C, H, W)
    run = record_outputs(model, inputs[torch.from_numpy(examples["scan"].to_numpy(copy=True))])
    cam, (first, kernels) = cam_layer(run), first_kernels(run, inputs.shape[1:])
    arrays = {}
    if cam:
        arrays["cams"] = grad_cam(model, run[cam][0], inputs, examples["predicted"].to_numpy())
    if first and kernels is not None:
        order = np.argsort(-np.linalg.norm(kernels.reshape(len(kernels), -1), axis=1), kind="stable")[:N_KERNELS]
        arrays["kernels"] = kernels[order]
        if isinstance(run[first][0], nn.Conv2d):
            arrays["maps"] = run[first][1].numpy().transpose(1, 0, 2, 3)[order].round(4)
    learned = bool(run[first][0].get_parameter("weight").requires_grad) if first else None
    found = {"first": first, "learned": learned, "n_kernels": None if kernels is None else len(kernels), "cam": cam}
    return found | {"cam_px": list(run[cam][1].shape[-2:]) if cam else None}, arrays


def record_outputs(model: nn.Module, inputs: Tensor) -> LayerOutputs:
    """Every layer run once or more, with its last output; those that put out no tensor are left out."""
    found: LayerOutputs = {}

    def note(name: str) -> Any:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                found.pop(name, None)
                found[name] = module, output.clone()  # what follows may change it in place

        return hook

    hooks = [module.register_forward_hook(note(name)) for name, module in model.named_modules() if name]
    try:
        with torch.no_grad():
            model(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def cam_layer(run: LayerOutputs) -> str | None:
    """The last layer that puts out (B, C, h, w) with more than one pixel, before a pooling that would coarsen it."""
    spatial = [
        name
        for name, (module, output) in run.items()
        if output.ndim == 4 and output.shape[-2:].numel() > 1 and not isinstance(module, POOLINGS)
    ]
    return spatial[-1] if spatial else None


def first_kernels(run: LayerOutputs, shape: torch.Size) -> tuple[str | None, Array | None]:
    """The first layer with weights: its name and (F, C, h, w), if it is a convolution or sees all pixels (C, H, W)."""
    for name, (module, _) in run.items():
        if not any(True for _ in module.parameters(recurse=False)):
            continue
        if isinstance(module, nn.Conv2d):
            return name, module.weight.detach().numpy()
        if isinstance(module, nn.Linear) and module.in_features == shape.numel():
            return name, module.weight.detach().view(-1, *shape).numpy()
        break
    return None, None


def grad_cam(model: nn.Module, layer: nn.Module, inputs: Tensor, classes: Array) -> Array:
    """(N, H, W) float32: what of each image speaks for its class, 1 where most; 0 everywhere if nothing does.

    inputs: (N, C, H, W); classes: (N,). Source: Selvaraju et al. 2017, arXiv:1610.02391.
    """
    inputs = inputs.clone().requires_grad_()  # so that frozen layers pass gradients on
    target = torch.tensor(classes)
    found = LayerGradCam(model, layer).attribute(inputs, target, relu_attributions=True)  # (N, 1, h, w)
    large = LayerAttribution.interpolate(found, tuple(inputs.shape[-2:]), "bilinear")[:, 0].detach()
    most = large.amax((1, 2), keepdim=True)
    cams: Array = (large / most.where(most > 0, 1)).numpy().round(4)
    return cams


def _layers(model: nn.Module, shapes: Shapes) -> tuple[pd.DataFrame, str | None]:
    """The table, or why there is none: a model that was trained need not be one that can be listed."""
    try:
        rows, problem = list(summarise(model.cpu(), shapes)), None
    except PipelineError as error:
        rows, problem = [], str(error)
    told = [
        (r.name, r.kind, " × ".join(map(str, r.output)), " × ".join(map(str, r.side_px or ())), r.n_parameters)
        for r in rows
    ]
    return pd.DataFrame(told, columns=list(LAYER_TYPES)), problem


def _told(probabilities: Array, test: Samples) -> pd.DataFrame:
    """One row per image of the test part. probabilities: (N, K)."""
    table = test.table[["sample", "group", "label"]].reset_index(drop=True)
    columns = probability_columns(test.info.classes)
    table["predicted"] = probabilities.argmax(axis=1)
    return pd.concat([table, pd.DataFrame(probabilities.round(6), columns=columns)], axis=1)
