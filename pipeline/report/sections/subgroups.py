"""Scores by how the file of an image is stored: a model may depend on the file instead of the content."""

from typing import Any

from pipeline.report.analysis.subgroups import Subset, by_file, contrasts
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import percent_estimate
from pipeline.report.pages import Table
from pipeline.report.results import Results
from pipeline.report.sections import FEW_GROUPS


def context(results: Results) -> dict[str, Any] | None:
    """Return scores by format, mode and size of the file; None if all files are alike."""
    subsets, classes = by_file(results.evaluation, FEW_GROUPS, results.resampling("files")), results.evaluation.classes
    if not subsets:
        return None
    sentences = contrast_sentences(subsets, classes)
    scores = Table(
        "Winner on test by how the file is stored: mean over seeds [95 %]",
        ["property", "value", "images", "groups", "classes", "accuracy", "macro F1"],
        [_scores(subset) for subset in subsets],
        labels=2,
        note="The rows hold the classes in other shares, so a difference between two of them may be one between "
        "classes; the next table separates them. Macro F1 averages the classes that occur.",
    )
    recalls = Table(
        "Recall of each class by file, each group counted once: mean over seeds [95 %]",
        ["property", "value", *classes],
        [[subset.kind, subset.value, *_recalls(subset)] for subset in subsets],
        labels=2,
    )
    return {
        "cautions": [f"The result depends on how files are stored: {'; '.join(sentences)}."] if sentences else [],
        "tables": [scores, recalls],
    }


def _scores(subset: Subset) -> list[object]:
    few = subset.n_groups < FEW_GROUPS
    shown = ["too few groups", ""] if few else [percent_estimate(subset.accuracy), percent_estimate(subset.macro_f1)]
    return [subset.kind, subset.value, f"{subset.n_images:,}", f"{subset.n_groups:,}", subset.n_classes, *shown]


def _recalls(subset: Subset) -> list[str]:
    return ["–" if r is None else f"{percent_estimate(r[0])}, n = {r[1]}" for r in subset.recalls]


def contrast_sentences(subsets: list[Subset], classes: list[str]) -> list[str]:
    """Return a sentence for each class that is recognised in one kind of file and missed in another."""
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


SECTION = Section(order=70, title="Subgroups", context=context)
