"""Scores of the winner on subsets of the images: by how a file is stored, and on the official test part."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.samples import PARTS
from pipeline.report.sections.performance.analysis import score_predictions
from pipeline.statistics.groups import group_means
from pipeline.statistics.intervals import Estimate, rate_estimate

FILE_COLUMNS = ("format", "mode", "size")


@dataclass(frozen=True)
class Subset:
    """kind: what the images have in common, such as `format`. Macro F1 is over the classes that occur.

    recalls: of each class with its number of groups; means over groups, as in the screening. None where it is missing.
    """

    kind: str
    value: str
    n_images: int
    n_groups: int
    n_classes: int
    accuracy: Estimate
    macro_f1: Estimate
    recalls: list[tuple[Estimate, int] | None]


def by_file(evaluation: Evaluation, least_groups: int, draws: int, rng: np.random.Generator) -> list[Subset]:
    """Test images by format, mode and size of their file; a kind that all share is left out, the largest come first.

    Values of fewer than `least_groups` groups stand together as others.
    """
    test = _images(evaluation)
    test = test[test["part"] == "test"]
    found = []
    for kind in FILE_COLUMNS:
        n_groups = test.groupby(kind)["group"].nunique()
        small = n_groups.index[n_groups < least_groups]
        value = test[kind].mask(test[kind].isin(small), f"{len(small)} other {kind}s") if len(small) > 1 else test[kind]
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
    if evaluation.dataset.keeps_official_test or not len(theirs) or len(theirs) == len(images):
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
    """Means over the seeds."""
    predicted = [evaluation.parts[p].models["winner"].predicted[:, rows.loc[rows["part"] == p, "row"]] for p in PARTS]
    labels, groups, runs = rows["label"].to_numpy(), rows["group"].to_numpy(), np.concatenate(predicted, axis=1)
    found = score_predictions(labels, runs, groups, len(evaluation.classes), draws, rng)
    n_groups, n_classes = np.unique(groups).size, np.unique(labels).size
    recalls: list[tuple[Estimate, int] | None] = []
    for c in range(len(evaluation.classes)):
        of_class = labels == c
        n = np.unique(groups[of_class]).size
        share = float(group_means(runs[:, of_class] == c, groups[of_class]).mean()) if n else 0.0
        recalls.append((rate_estimate(share, n), n) if n else None)
    return Subset(kind, value, labels.size, n_groups, n_classes, found["accuracy"], found["macro_f1"], recalls)


def contrasts(subsets: list[Subset], classes: list[str]) -> list[tuple[str, Subset, Subset]]:
    """Class, and the two kinds of file between which its recall differs most, better one first.

    Of each class one pair at most, and only if the two 95 % intervals do not touch.
    """
    found = []
    for c, name in enumerate(classes):
        apart = []
        for one, other in combinations(subsets, 2):
            if one.kind != other.kind or not (one.recalls[c] and other.recalls[c]):
                continue
            (low, worse), (high, better) = sorted(
                ((_value(s, c), s) for s in (one, other)), key=lambda pair: pair[0].value or 0.0
            )
            if (1.0 if low.high is None else low.high) < (0.0 if high.low is None else high.low):
                apart.append(((high.value or 0.0) - (low.value or 0.0), better, worse))
        if apart:
            _, better, worse = max(apart, key=lambda gap: gap[0])
            found.append((name, better, worse))
    return found


def _value(subset: Subset, c: int) -> Estimate:
    recall = subset.recalls[c]
    assert recall is not None
    return recall[0]
