"""Scores of the winner on subsets of the images: by how a file is stored, and on the official test part."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.samples import PARTS
from pipeline.report.analysis.scoring import Predictions, Resampling, score_predictions
from pipeline.statistics.bootstrap import group_means
from pipeline.statistics.intervals import Estimate, rate_estimate

FILE_COLUMNS = ("format", "mode", "size")


@dataclass(frozen=True)
class Subset:
    """Images that share a property, with the winner's scores on them; macro F1 averages the classes that occur."""

    kind: str  # what they share, such as format
    value: str
    n_images: int
    n_groups: int
    n_classes: int
    accuracy: Estimate
    macro_f1: Estimate
    recalls: list[tuple[Estimate, int] | None]  # per class, over groups, with their number; None without images


def by_file(evaluation: Evaluation, least_groups: int, resampling: Resampling) -> list[Subset]:
    """Score the test images by format, mode and size of their file, the largest subset of each kind first.

    A kind with one value is left out; values with fewer than `least_groups` groups are joined.
    """
    test = _images(evaluation)
    test = test[test["part"] == "test"]
    subsets = []
    for kind in FILE_COLUMNS:
        n_groups = test.groupby(kind)["group"].nunique()
        small = n_groups.index[n_groups < least_groups]
        value = test[kind].mask(test[kind].isin(small), f"{len(small)} other {kind}s") if len(small) > 1 else test[kind]
        sizes = value.value_counts()
        if len(sizes) > 1:
            subsets += [_score(kind, str(name), test[value == name], evaluation, resampling) for name in sizes.index]
    return subsets


@dataclass(frozen=True)
class OfficialTest:
    """The published test part of a data set whose official parts were pooled and split again."""

    leaking: float  # share of its images with a copy in the published training part
    trained_on: float  # share of its images whose group is in `train` here
    everything: Subset
    unseen: Subset | None  # its images in the sealed test part


def official_test(evaluation: Evaluation, resampling: Resampling) -> OfficialTest | None:
    """Score the winner on the published test part; None without one, or if the official parts are kept."""
    images = _images(evaluation)
    theirs = images[images["official_part"] == "test"]
    if evaluation.dataset.keeps_official_test or not len(theirs) or len(theirs) == len(images):
        return None
    in_training = theirs["group"].isin(images.loc[images["official_part"] == "train", "group"])
    unseen = theirs[theirs["part"] == "test"]
    kind = "official test part"
    everything = _score(kind, "everything", theirs, evaluation, resampling)
    return OfficialTest(
        float(in_training.mean()),
        float((theirs["part"] == "train").mean()),
        everything,
        _score(kind, "in the sealed test part", unseen, evaluation, resampling) if len(unseen) else None,
    )


def _images(evaluation: Evaluation) -> pd.DataFrame:
    """Return all images in the order of the parts: sample, group, label, part, row in it, columns of files.csv."""
    tables = []
    for name in PARTS:
        part = evaluation.parts[name]
        table = pd.DataFrame({"sample": part.samples, "group": part.groups, "label": part.labels})
        tables.append(table.assign(part=name, row=np.arange(len(table))))
    files = evaluation.files
    sizes = files["width"].astype(str) + " x " + files["height"].astype(str) + " px"
    return pd.concat(tables, ignore_index=True).merge(files.assign(size=sizes), on="sample", validate="one_to_one")


def _score(kind: str, value: str, rows: pd.DataFrame, evaluation: Evaluation, resampling: Resampling) -> Subset:
    """Return means over the seeds."""
    predicted = [evaluation.parts[p].models["winner"].predicted[:, rows.loc[rows["part"] == p, "row"]] for p in PARTS]
    labels, groups = rows["label"].to_numpy(), rows["group"].to_numpy()
    runs = np.concatenate(predicted, axis=1)
    n_classes = len(evaluation.classes)
    scores = score_predictions(Predictions(labels, runs, groups), n_classes, resampling)
    recalls: list[tuple[Estimate, int] | None] = []
    for c in range(n_classes):
        of_class = labels == c
        n = np.unique(groups[of_class]).size
        share = float(group_means(runs[:, of_class] == c, groups[of_class]).mean()) if n else 0.0
        recalls.append((rate_estimate(share, n), n) if n else None)
    n_groups, n_occurring = np.unique(groups).size, np.unique(labels).size
    return Subset(kind, value, labels.size, n_groups, n_occurring, scores["accuracy"], scores["macro_f1"], recalls)


def contrasts(subsets: list[Subset], classes: list[str]) -> list[tuple[str, Subset, Subset]]:
    """Return per class the two kinds of file whose recalls differ most, better one first.

    Only pairs whose 95 % intervals do not touch count; a class without such a pair is left out.
    """
    largest = []
    for c, name in enumerate(classes):
        apart = []
        for one, other in combinations(subsets, 2):
            if one.kind != other.kind or not (one.recalls[c] and other.recalls[c]):
                continue
            worse, better = sorted((one, other), key=lambda subset: _recall(subset, c).value or 0.0)
            low, high = _recall(worse, c), _recall(better, c)
            if (1.0 if low.high is None else low.high) < (0.0 if high.low is None else high.low):
                apart.append(((high.value or 0.0) - (low.value or 0.0), better, worse))
        if apart:
            _, better, worse = max(apart, key=lambda gap: gap[0])
            largest.append((name, better, worse))
    return largest


def _recall(subset: Subset, c: int) -> Estimate:
    recall = subset.recalls[c]
    assert recall is not None
    return recall[0]
