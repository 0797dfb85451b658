"""Scores of the winner on subsets of the images: by how a file is stored, and on the official test part."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline import estimates
from pipeline.data import PARTS
from pipeline.estimates import Estimate
from pipeline.metrics import class_scores, confusion_matrix
from pipeline.results import Evaluation

FILE_COLUMNS = ("format", "mode", "size")


@dataclass(frozen=True)
class Subset:
    """kind: what the images have in common, such as `format`. Macro F1 is over the classes that occur."""

    kind: str
    value: str
    n_images: int
    n_groups: int
    n_classes: int
    accuracy: Estimate
    macro_f1: Estimate


def by_file(evaluation: Evaluation, least_groups: int, draws: int, rng: np.random.Generator) -> list[Subset]:
    """Test images by format, mode and size of their file; a kind that all share is left out, the largest come first.

    Values of fewer than `least_groups` groups stand together as others.
    """
    test = _images(evaluation)
    test = test[test["part"] == "test"]
    found = []
    for kind in FILE_COLUMNS:
        n_groups = test.groupby(kind)["group"].nunique()
        large = n_groups.index[n_groups >= least_groups]
        value = test[kind].where(test[kind].isin(large), f"{len(n_groups) - len(large)} others")
        sizes = value.value_counts()
        if len(sizes) > 1:
            found += [_score(kind, str(name), test[value == name], evaluation, draws, rng) for name in sizes.index]
    return found


@dataclass(frozen=True)
class Official:
    """The published test part of a data set that was pooled and split anew, so it is no test part here."""

    leaking: float  # share of its images that have a copy in the published training part
    trained_on: float  # share of its images that stand in `train` here, or in a group with one
    all_of_it: Subset
    unseen: Subset | None  # those of it that stand in the sealed test part


def official(evaluation: Evaluation, draws: int, rng: np.random.Generator) -> Official | None:
    """None where the official parts are kept, or there are none."""
    images = _images(evaluation)
    theirs = images[images["official_part"] == "test"]
    if evaluation.dataset.get("keeps_official_test") or not len(theirs) or len(theirs) == len(images):
        return None
    in_training = theirs["group"].isin(images.loc[images["official_part"] == "train", "group"])
    unseen = theirs[theirs["part"] == "test"]
    return Official(
        float(in_training.mean()),
        float((theirs["part"] == "train").mean()),
        _score("official test part", "all of it", theirs, evaluation, draws, rng),
        _score("official test part", "in the sealed test part", unseen, evaluation, draws, rng)
        if len(unseen)
        else None,
    )


def _images(evaluation: Evaluation) -> pd.DataFrame:
    """All images in the order of the parts: sample, group, label, part, row in it, and what is known of the file."""
    tables = []
    for name in PARTS:
        part = evaluation.parts[name]
        table = pd.DataFrame({"sample": part.samples, "group": part.groups, "label": part.labels})
        tables.append(table.assign(part=name, row=np.arange(len(table))))
    files = evaluation.files
    sizes = files["width"].astype(str) + " x " + files["height"].astype(str) + " px"
    return pd.concat(tables, ignore_index=True).merge(files.assign(size=sizes), on="sample", validate="one_to_one")


def _score(
    kind: str, value: str, rows: pd.DataFrame, evaluation: Evaluation, draws: int, rng: np.random.Generator
) -> Subset:
    """Means over the seeds, with the bootstrap over groups of the other scores."""
    predicted = [evaluation.parts[p].models["winner"].predicted[:, rows.loc[rows["part"] == p, "row"]] for p in PARTS]
    labels, groups, runs = rows["label"].to_numpy(), rows["group"].to_numpy(), np.concatenate(predicted, axis=1)
    occurring, n_groups, k = np.unique(labels), np.unique(groups).size, len(evaluation.classes)

    def macro_f1(confusions: NDArray[Any]) -> NDArray[np.float64]:
        f1: NDArray[np.float64] = class_scores(confusions)["f1"][..., occurring].mean(axis=(-2, -1))
        return f1

    drawn = macro_f1(estimates.bootstrap_confusions(labels, runs, groups, k, draws, rng))
    ends = estimates.percentile_interval(drawn) if np.ptp(drawn) else (None, None)
    return Subset(
        kind, value, labels.size, n_groups, occurring.size,
        estimates.rate_estimate(float((runs == labels).mean()), n_groups),
        Estimate(float(macro_f1(confusion_matrix(labels, runs, k))), *ends),
    )  # fmt: skip
