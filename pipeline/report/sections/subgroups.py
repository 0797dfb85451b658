"""Scores by origin and file of an image: a model may depend on them instead of the content."""

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.samples import PARTS
from pipeline.report.analysis.scoring import Resampling, score_predictions
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import percent_estimate
from pipeline.report.pages import Table
from pipeline.report.results import Results
from pipeline.report.sections import FEW_GROUPS
from pipeline.statistics.bootstrap import group_means
from pipeline.statistics.intervals import Estimate, rate_estimate


class Subset(NamedTuple):
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
    """Score the test images by origin, format, mode and size of their file, the largest subset of each kind first.

    A kind with one value is left out; values with fewer than `least_groups` groups are joined.
    """
    test = _images(evaluation).query("part == 'test'")
    subsets = []
    for kind in ("origin", "format", "mode", "size"):
        n_groups = test.groupby(kind)["group"].nunique()
        small = n_groups.index[n_groups < least_groups]
        value = test[kind].mask(test[kind].isin(small), f"{len(small)} other {kind}s") if len(small) > 1 else test[kind]
        sizes = value.value_counts()
        if len(sizes) > 1:
            subsets += [_score(kind, str(name), test[value == name], evaluation, resampling) for name in sizes.index]
    return subsets


class OfficialTest(NamedTuple):
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
    trained_on = theirs["part"] == "train"
    unseen = theirs[theirs["part"] == "test"]
    kind = "official test part"
    everything = _score(kind, "everything", theirs, evaluation, resampling)
    sealed = _score(kind, "in the sealed test part", unseen, evaluation, resampling) if len(unseen) else None
    return OfficialTest(float(in_training.mean()), float(trained_on.mean()), everything, sealed)


def _images(evaluation: Evaluation) -> pd.DataFrame:
    """Return all images in the order of the parts: sample, group, label, part, row in it, columns of files.csv."""
    tables = []
    for name in PARTS:
        part = evaluation.parts[name]
        table = pd.DataFrame({"sample": part.samples, "group": part.groups, "label": part.labels})
        tables.append(table.assign(part=name, row=np.arange(len(table))))
    files = evaluation.files
    sizes = files["width"].astype(str) + " x " + files["height"].astype(str) + " px"
    files = files.assign(size=sizes, origin=files["origin"].replace("", "unknown"))
    return pd.concat(tables, ignore_index=True).merge(files, on="sample", validate="one_to_one")


def _score(kind: str, value: str, rows: pd.DataFrame, evaluation: Evaluation, resampling: Resampling) -> Subset:
    """Return means over the seeds."""
    predicted = [evaluation.parts[p].models["winner"].predicted[:, rows.loc[rows["part"] == p, "row"]] for p in PARTS]
    labels, groups = rows["label"].to_numpy(), rows["group"].to_numpy()
    runs = np.concatenate(predicted, axis=1)
    n_classes = len(evaluation.classes)
    scores = score_predictions(labels, runs, groups, n_classes, resampling)
    recalls: list[tuple[Estimate, int] | None] = [None] * n_classes
    for c in np.unique(labels):
        of_class = labels == c
        n = np.unique(groups[of_class]).size
        recalls[c] = rate_estimate(float(group_means(runs[:, of_class] == c, groups[of_class]).mean()), n), n
    n_groups, n_occurring = np.unique(groups).size, np.unique(labels).size
    return Subset(kind, value, labels.size, n_groups, n_occurring, scores["accuracy"], scores["macro_f1"], recalls)


def contrasts(subsets: list[Subset], classes: list[str]) -> list[tuple[str, Subset, Subset]]:
    """Return per class the two origins or kinds of file whose recalls differ most, better one first.

    Only pairs whose 95 % intervals do not touch count; a class without such a pair is left out.
    """
    largest = []
    for c, name in enumerate(classes):
        apart = []
        for one, other in combinations([subset for subset in subsets if subset.recalls[c]], 2):
            worse, better = sorted((one, other), key=lambda subset: _recall(subset, c).value or 0.0)
            low, high = _recall(worse, c), _recall(better, c)
            if one.kind == other.kind and (1.0 if low.high is None else low.high) < (high.low or 0.0):
                apart.append(((high.value or 0.0) - (low.value or 0.0), better, worse))
        if apart:
            _, better, worse = max(apart, key=lambda gap: gap[0])
            largest.append((name, better, worse))
    return largest


def _recall(subset: Subset, c: int) -> Estimate:
    recall = subset.recalls[c]
    assert recall is not None
    return recall[0]


def contrast_sentences(subsets: list[Subset], classes: list[str]) -> list[str]:
    """Return a sentence for each class that is recognised in one origin or kind of file and missed in another."""
    sentences = []
    for name, better, worse in contrasts(subsets, classes):
        high, low = better.recalls[classes.index(name)], worse.recalls[classes.index(name)]
        assert high
        assert low
        sentences.append(
            f"{name} is recognised in {percent_estimate(high[0])} of the groups of {better.kind} {better.value}, but "
            f"in {percent_estimate(low[0])} of those of {worse.value} (n = {low[1]})"
        )
    return sentences


def context(results: Results) -> dict[str, Any] | None:
    """Return scores by origin, format, mode and size of the file; None if all are alike."""
    subsets, classes = by_file(results.evaluation, FEW_GROUPS, results.resampling("files")), results.evaluation.classes
    if not subsets:
        return None
    sentences = contrast_sentences(subsets, classes)
    scores = Table(
        "Winner on test by origin and file: mean over seeds [95 %]",
        ["property", "value", "images", "groups", "classes", "accuracy", "macro F1"],
        [_scores(subset) for subset in subsets],
        labels=2,
        note="The rows hold the classes in other shares, so a difference between two of them may be one between "
        "classes; the next table separates them. Macro F1 averages the classes that occur.",
    )
    recalls = Table(
        "Recall of each class by origin and file, each group counted once: mean over seeds [95 %]",
        ["property", "value", *classes],
        [[subset.kind, subset.value, *_recalls(subset)] for subset in subsets],
        labels=2,
    )
    cautions = (
        [f"The result depends on where images come from and how they are stored: {'; '.join(sentences)}."]
        if sentences
        else []
    )
    return {"cautions": cautions, "tables": [scores, recalls]}


def _scores(subset: Subset) -> list[object]:
    few = subset.n_groups < FEW_GROUPS
    shown = ["too few groups", ""] if few else [percent_estimate(subset.accuracy), percent_estimate(subset.macro_f1)]
    return [subset.kind, subset.value, f"{subset.n_images:,}", f"{subset.n_groups:,}", subset.n_classes, *shown]


def _recalls(subset: Subset) -> list[str]:
    return ["–" if r is None else f"{percent_estimate(r[0])}, n = {r[1]}" for r in subset.recalls]


SECTION = Section(order=70, title="Subgroups", context=context)
