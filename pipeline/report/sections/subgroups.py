"""Scores by source and file of an image: a model may depend on them instead of the content."""

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.predictions import Part
from pipeline.artifacts.samples import PARTS
from pipeline.report.analysis.scoring import score_sample
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import percent_estimate
from pipeline.report.pages import Table
from pipeline.report.results import Results
from pipeline.report.sections import FEW_GROUPS
from pipeline.statistics.folds import fold_estimate, repeat_variance
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.jackknife import jackknife_estimate, score_rate

LEAST_UNITS = 10  # of a source, to compare it with another
SOURCES = {"br35h": "Br35H", "cheng": "Cheng", "": "elsewhere"}  # origin -> its name on the page
SOURCE_NOTE = (
    "Elsewhere: in none of the older collections that were searched for copies. Every source is listed; only those "
    f"with at least {LEAST_UNITS} units are compared. A unit counts once within its class and source."
)


class SourceRate(NamedTuple):
    """Share of right decisions on the images of one source, mean over seeds."""

    source: str
    n_images: int
    n_units: int
    rate: Estimate


def sources_of(evaluation: Evaluation, samples: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return the name of the source of each image, (N,)."""
    origins = evaluation.files.set_index("sample")["origin"].reindex(samples.tolist())
    return np.array([SOURCES.get(origin, origin) for origin in origins], dtype=np.str_)


def rates_by_source(
    right: NDArray[np.bool_], groups: NDArray[Any], sources: NDArray[np.str_], folds: NDArray[np.int64] | None = None
) -> list[SourceRate]:
    """Return the rate of each source, the one with most units first; none if all images are from one.

    right: (S, N) decisions of S runs; groups, sources: (N,). A unit with images of two sources counts in both.
    folds: (N,) if the runs are repeats of a cross-validation; else all runs are trained on the same images.
    """
    rates = []
    for source in np.unique(sources):
        rows = sources == source
        of, first = score_rate(right[:, rows], groups[rows]), np.unique(groups[rows], return_index=True)[1]
        if folds is None:
            rate = jackknife_estimate(*of, heavy_tails=True)
        else:
            rate = fold_estimate(of, repeat_variance(of, folds[rows][first]), np.unique(folds).size)
        rates.append(SourceRate(str(source), int(rows.sum()), first.size, rate))
    return sorted(rates, key=lambda rate: -rate.n_units) if len(rates) > 1 else []


def worst_and_best(rates: list[SourceRate]) -> tuple[SourceRate, SourceRate] | None:
    """Return the sources with the lowest and the highest rate; None unless two have at least LEAST_UNITS units."""
    compared = sorted((r for r in rates if r.n_units >= LEAST_UNITS), key=lambda r: r.rate.value or 0.0)
    return (compared[0], compared[-1]) if len(compared) > 1 else None


def are_apart(worse: Estimate, better: Estimate) -> bool:
    """Return whether the interval of one lies below that of the other."""
    return (1.0 if worse.high is None else worse.high) < (better.low or 0.0)


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


def by_file(evaluation: Evaluation, least_groups: int) -> list[Subset]:
    """Score the test images by format, mode and size of their file, the largest subset of each kind first.

    A kind with one value is left out; values with fewer than `least_groups` groups are joined.
    """
    test = _images(evaluation).query("part == 'test'")
    subsets = []
    for kind in ("format", "mode", "size"):
        n_groups = test.groupby(kind)["group"].nunique()
        small = n_groups.index[n_groups < least_groups]
        value = test[kind].mask(test[kind].isin(small), f"{len(small)} other {kind}s") if len(small) > 1 else test[kind]
        sizes = value.value_counts()
        if len(sizes) > 1:
            subsets += [_score(kind, str(name), test[value == name], evaluation) for name in sizes.index]
    return subsets


class OfficialTest(NamedTuple):
    """The published test part of a data set whose official parts were pooled and split again."""

    leaking: float  # share of its images with a copy in the published training part
    trained_on: float  # share of its images whose group is in `train` here
    everything: Subset
    unseen: Subset | None  # its images in the test part of this page


def official_test(evaluation: Evaluation) -> OfficialTest | None:
    """Score the winner on the published test part; None without one, or if the official parts are kept."""
    images = _images(evaluation)
    theirs = images[images["official_part"] == "test"]
    if evaluation.dataset.keeps_official_test or not len(theirs) or len(theirs) == len(images):
        return None
    in_training = theirs["group"].isin(images.loc[images["official_part"] == "train", "group"])
    trained_on = theirs["part"] == "train"
    unseen = theirs[theirs["part"] == "test"]
    kind = "official test part"
    everything = _score(kind, "everything", theirs, evaluation)
    sealed = _score(kind, "in the test part of this page", unseen, evaluation) if len(unseen) else None
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
    return pd.concat(tables, ignore_index=True).merge(files.assign(size=sizes), on="sample", validate="one_to_one")


def _score(kind: str, value: str, rows: pd.DataFrame, evaluation: Evaluation) -> Subset:
    """Return means over the seeds."""
    predicted = [evaluation.parts[p].models["winner"].predicted[:, rows.loc[rows["part"] == p, "row"]] for p in PARTS]
    labels, groups = rows["label"].to_numpy(), rows["group"].to_numpy()
    runs = np.concatenate(predicted, axis=1)
    n_classes = len(evaluation.classes)
    of = score_sample(labels, runs, groups, n_classes, only_occurring=True)
    recalls: list[tuple[Estimate, int] | None] = [None] * n_classes
    for c in np.unique(labels):
        of_class = labels == c
        n = np.unique(groups[of_class]).size
        recalls[c] = of.of_class("recall", int(c)), n
    n_groups, n_occurring = np.unique(groups).size, np.unique(labels).size
    return Subset(
        kind, value, labels.size, n_groups, n_occurring, of.estimate("accuracy"), of.estimate("macro_f1"), recalls
    )


def contrasts(subsets: list[Subset], classes: list[str]) -> list[tuple[str, Subset, Subset]]:
    """Return per class the two kinds of file whose recalls differ most, better one first.

    Only pairs whose 95 % intervals do not touch count; a class without such a pair is left out.
    """
    largest = []
    for c, name in enumerate(classes):
        apart = []
        for one, other in combinations([subset for subset in subsets if subset.recalls[c]], 2):
            worse, better = sorted((one, other), key=lambda subset: _recall(subset, c).value or 0.0)
            low, high = _recall(worse, c), _recall(better, c)
            if one.kind == other.kind and are_apart(low, high):
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
    """Return a clause for each class that is recognised in one kind of file and missed in another."""
    clauses = []
    for name, better, worse in contrasts(subsets, classes):
        high, low = better.recalls[classes.index(name)], worse.recalls[classes.index(name)]
        assert high
        assert low
        clauses.append(
            f"{name} is recognised in {percent_estimate(high[0])} of the units of {better.kind} {better.value} "
            f"(n = {high[1]}), but in {percent_estimate(low[0])} of those of {worse.value} (n = {low[1]})"
        )
    return clauses


def recall_by_source(
    evaluation: Evaluation, part: Part, folds: NDArray[np.int64] | None = None
) -> dict[str, list[SourceRate]]:
    """Return the winner's recall by class and source; classes from one source are left out. folds: (N,), if any."""
    sources, predicted = sources_of(evaluation, part.samples), part.models["winner"].predicted
    by_class = {}
    for c, name in enumerate(evaluation.classes):
        rows = part.labels == c
        chosen = predicted[:, rows] == c, part.groups[rows], sources[rows]
        by_class[name] = rates_by_source(*chosen, None if folds is None else folds[rows])
    return {name: rates for name, rates in by_class.items() if rates}


def _source_clauses(recalls: dict[str, list[SourceRate]]) -> list[str]:
    clauses = []
    for name, rates in recalls.items():
        ends = worst_and_best(rates)
        if ends and are_apart(ends[0].rate, ends[1].rate):
            worst, best = (f"{r.source}: {percent_estimate(r.rate)} (n = {r.n_units} units)" for r in ends)
            clauses.append(f"recall of {name} from {worst}, from {best}")
    return clauses


def context(results: Results) -> dict[str, Any] | None:
    """Return recall by class and source, and scores by format, mode and size of the file; None if all are alike."""
    evaluation, classes = results.evaluation, results.evaluation.classes
    recalls, subsets = recall_by_source(evaluation, evaluation.parts["test"]), by_file(evaluation, FEW_GROUPS)
    if not recalls and not subsets:
        return None
    n = f"test part, n = {np.unique(evaluation.parts['test'].groups).size:,} units"
    tables = [source_table(recalls, f"winner on the {n}: mean over seeds [95 %]", SOURCE_NOTE)] if recalls else []
    tables += _file_tables(subsets, classes, n) if subsets else []
    cautions = []
    if clauses := _source_clauses(recalls):
        cautions.append(f"Recognition depends on the source of an image: {'; '.join(clauses)}.")
    if clauses := contrast_sentences(subsets, classes):
        cautions.append(f"Recognition depends on how an image is stored: {'; '.join(clauses)}.")
    return {"cautions": cautions, "tables": tables}


def source_table(recalls: dict[str, list[SourceRate]], of_what: str, note: str) -> Table:
    """Return recall by class and source as a table; of_what ends its caption."""
    return Table(
        f"Recall by class and source, {of_what}",
        ["class", "source", "units", "images", "recall"],
        [
            [name, of.source, f"{of.n_units:,}", f"{of.n_images:,}", percent_estimate(of.rate)]
            for name, rates in recalls.items()
            for of in rates
        ],
        labels=2,
        note=note,
    )


def _file_tables(subsets: list[Subset], classes: list[str], n: str) -> list[Table]:
    scores = Table(
        f"Winner by kind of file, {n}: mean over seeds [95 %]",
        ["property", "value", "units", "images", "classes", "accuracy", "macro F1"],
        [_scores(subset) for subset in subsets],
        labels=2,
        note="The rows hold the classes in other shares, so a difference between two of them may be one between "
        "classes; the next table separates them. Macro F1 averages the classes that occur.",
    )
    recalls = Table(
        f"Recall of each class by kind of file, {n}: mean over seeds [95 %]",
        ["property", "value", *classes],
        [[subset.kind, subset.value, *_recalls(subset)] for subset in subsets],
        labels=2,
    )
    return [scores, recalls]


def _scores(subset: Subset) -> list[object]:
    few = subset.n_groups < FEW_GROUPS
    shown = ["too few units", ""] if few else [percent_estimate(subset.accuracy), percent_estimate(subset.macro_f1)]
    return [subset.kind, subset.value, f"{subset.n_groups:,}", f"{subset.n_images:,}", subset.n_classes, *shown]


def _recalls(subset: Subset) -> list[str]:
    return ["–" if r is None else f"{percent_estimate(r[0])}, n = {r[1]}" for r in subset.recalls]


SECTION = Section(order=70, title="Subgroups", context=context)
