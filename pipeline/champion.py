"""A trained model from Python: `load_champion("digits").predict(["scan.png"])`; MLflow loads it from the registry here.

Like the command line, this module is next to the rooms: it joins the decoding of images and the trained networks.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.artifacts.layout import Layout
from pipeline.artifacts.predictions import probability_columns
from pipeline.core.errors import DataError, InputError
from pipeline.core.progress import track
from pipeline.datasets.image_input import InputImage, image_name, read_image
from pipeline.datasets.preparation import N_DECODERS
from pipeline.evaluation.served_model import Choice, ServedModel, read_champion, read_evaluated
from pipeline.training.prediction import EVAL_BATCH

FAR = 2.0  # times below the smallest or above the largest published image: an unusual size or shape
# Standard deviations of the training pixels between the mean of an image and theirs. Farther are 0.1 % of the images of
# both MRI sets, 1.3 % of cifar10, none of mnist; of inverted ones, 90 to 100 % on MRI and mnist, few on cifar10, digits
FAR_SD = 1.5
COLOURED = 16.0  # InputImage.colour above which an image is not grey; at most 12 in 1,200 files of both MRI sets


@dataclass(frozen=True)
class Champion:
    """A trained model that answers for images. may_read_paths: False in a server, whose clients could probe files."""

    model: ServedModel
    may_read_paths: bool = True

    def predict(self, images: Any) -> pd.DataFrame:
        """Return a row per image: file, class, p_<class>, seed_sd with several seeds, and warning.

        With positive classes also positive_score, threshold and decision; docs/predict.md describes all columns.
        images: one or a list of paths, bytes of a file, base64 texts and arrays (H, W) or (H, W, C) of 0 to 255; an
        array (N, H, W) or (N, H, W, C); or a table of one column. Arrays are treated like published images, of any
        size. Raises DataError that lists every image that cannot be read.
        """
        items = as_items(images)
        table, problems = self.predict_readable(items)
        if problems:
            n = f"{len(problems)} of {len(items)}"
            raise DataError(f"{n} images cannot be read; leave them out or replace them", problems)
        return table

    def predict_readable(self, images: Sequence[Any]) -> tuple[pd.DataFrame, list[str]]:
        """Return the rows of the images that can be read, and `name: reason` of the others."""
        names = [image_name(image, k) for k, image in enumerate(images)]
        tables: list[pd.DataFrame] = []
        problems: list[str] = []
        starts = range(0, len(images), EVAL_BATCH)
        with ThreadPoolExecutor(N_DECODERS) as pool:
            for start in track(starts, "predict", unit="batches") if len(starts) > 1 else starts:
                batch = slice(start, start + EVAL_BATCH)
                both = list(zip(names[batch], pool.map(self._read, images[batch]), strict=True))
                problems += [f"{name}: {image}" for name, image in both if isinstance(image, DataError)]
                tables.append(self._answers([(name, image) for name, image in both if isinstance(image, InputImage)]))
        return pd.concat(tables, ignore_index=True) if tables else self._answers([]), problems

    def _read(self, image: Any) -> InputImage | DataError:
        try:
            return read_image(image, self.model.dataset, may_read_paths=self.may_read_paths)
        except DataError as error:
            return error

    def _answers(self, images: Sequence[tuple[str, InputImage]]) -> pd.DataFrame:
        """Return a row per named image."""
        model, dataset = self.model, self.model.dataset
        pixels = [image.pixels for _, image in images]
        each = model.probabilities(np.stack(pixels) if pixels else np.zeros((0, *dataset.image_shape), np.uint8))
        mean = each.mean(axis=0).round(6)  # (N, K), as each seed's are
        predicted = mean.argmax(axis=1)
        table = pd.DataFrame({"file": [name for name, _ in images], "class": np.array(dataset.classes)[predicted]})
        table[probability_columns(dataset.classes)] = mean
        if len(each) > 1:
            table["seed_sd"] = each[:, np.arange(len(predicted)), predicted].std(axis=0, ddof=1).round(6)
        if dataset.positive:
            table["positive_score"] = dataset.positive_score(mean)
            table["threshold"] = model.threshold
            table["decision"] = np.where(table["positive_score"] >= model.threshold, "positive", "negative")
        table["warning"] = ["; ".join(unlike_training(image, model)) for _, image in images]
        return table


def unlike_training(image: InputImage, model: ServedModel) -> Iterator[str]:
    """Yield in what the image is unlike those that the model was trained on, so that its answer is worth little."""
    sizes, grey = model.sizes, model.dataset.image_shape[2] == 1
    is_prepared = image.pixels.shape[:2] == (image.height, image.width)
    values = {"width": image.width, "height": image.height, "aspect": image.width / image.height}
    far = [name for name, value in values.items() if _is_far(value, *getattr(sizes, name))]
    if far and not is_prepared:
        known = f"{_span(*sizes.width)} x {_span(*sizes.height)}"
        yield f"size {image.width} x {image.height} px, published images have {known}"
    if grey and image.colour > COLOURED:
        yield "in colour, the model sees grey"
    if not grey and image.colour == 0:
        yield "grey, the model was trained on colour images"
    means = image.pixels.mean(axis=(0, 1))  # (C,)
    pairs = zip(means, model.description.mean, model.description.std, strict=True)
    if any(abs(value - mean) > FAR_SD * sd for value, mean, sd in pairs):
        trained = np.mean(model.description.mean)
        yield f"mean intensity {means.mean():.0f} of 255, the training images have {trained:.0f}"
    if np.ptp(image.pixels) == 0:
        yield "all pixels are equal"


def _is_far(value: float, low: float, high: float) -> bool:
    return not low / FAR <= value <= high * FAR


def _span(low: float, high: float) -> str:
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"


def as_items(images: Any) -> list[Any]:
    """Return a list of images: of one image, of a table of one column, or of an array (N, H, W) or (N, H, W, C)."""
    if isinstance(images, pd.DataFrame | Mapping):
        if len(names := list(images)) != 1:
            raise InputError(f"a table of images must have one column, got {names}")
        images = images[names[0]]
    if isinstance(images, str | bytes | bytearray | memoryview | os.PathLike):
        return [images]
    if isinstance(images, np.ndarray) and images.dtype.kind in "uif":
        is_one = images.ndim == 2 or (images.ndim == 3 and images.shape[2] in (1, 3, 4))
        return [images] if is_one else list(images)
    return list(images)


def load_champion(
    experiment: str, root: Path | str = ".", *, tracking_uri: str | None = None, choice: Choice = "champion"
) -> Champion:
    """Return the trained model of an experiment: that of data/evaluate, or else the champion of MLflow's registry.

    root: of the repository. tracking_uri: of an MLflow server; None: mlflow.db below `root`. choice: see
    `read_evaluated`; the registry holds the champion alone. Raises InputError if nothing is trained.
    """
    folder = Layout(Path(root)).evaluate(experiment)
    if (folder / "metrics.json").exists():
        return Champion(read_evaluated(folder, choice))
    if choice != "champion":
        reason = f"{folder} is missing, and the registry holds the champion alone"
        raise InputError(f"{experiment}: no {choice} model: {reason}; run: dvc repro evaluate@{experiment}")
    from pipeline.evaluation.model_registry import registered_champion  # imports mlflow, which takes seconds

    return Champion(registered_champion(Path(root), experiment, tracking_uri))


def _load_pyfunc(path: str) -> Champion:
    """Return the champion for `mlflow.pyfunc.load_model` and `mlflow models serve`. path: the registered folder."""
    is_server = "__pyfunc_model_path__" in os.environ  # `mlflow models serve` sets it
    return Champion(read_champion(Path(path), path), may_read_paths=not is_server)
