"""From images to groups to parts."""

from typing import Any

import numpy as np

from pipeline.artifacts.samples import PARTS
from pipeline.report.analysis.subgroups import OfficialTest, official_test
from pipeline.report.formatting import percent, percent_estimate
from pipeline.report.results import Results
from pipeline.report.section import Section
from pipeline.report.table import Table

DROPPED = {
    "label_conflict": "copies under another label",
    "official_train_also_in_test": "official training images with a copy in the official test part",
}


def context(results: Results) -> dict[str, Any]:
    """Return the counts of images and groups, and the scores on the published test part."""
    info, classes = results.evaluation.dataset, results.evaluation.classes
    labels = {part: results.evaluation.parts[part].labels for part in PARTS}
    sizes = {part: np.bincount(labels[part], minlength=len(classes)) for part in PARTS}
    balance = [
        [name, *(f"{sizes[part][c]:,} ({percent(sizes[part][c] / sizes[part].sum(), 0)})" for part in PARTS)]
        for c, name in enumerate(classes)
    ]
    counts = [[name.replace("_", " "), f"{n:,}"] for name, n in info.counts.items()]
    official = official_test(results.evaluation, results.resampling("official"))
    return {
        "parts": [(part, info.parts[part].images, info.parts[part].groups) for part in PARTS],
        "dropped": [(DROPPED.get(reason, reason.replace("_", " ")), n) for reason, n in info.dropped.items() if n],
        "balance": Table("Images per class (share of the part)", ["class", *PARTS], balance),
        "counts": Table("From images to groups", ["step", "n"], counts),
        "official": official,
        "official_scores": official and _official_scores(results, official),
    }


def _official_scores(results: Results, official: OfficialTest) -> Table:
    scores, n_images = results.scores, results.evaluation.parts["test"].labels.size
    rows = [
        [
            "sealed test part of this page",
            f"{n_images:,}",
            f"{sum(scores.class_groups):,}",
            *(percent_estimate(scores.means[name]["winner"]) for name in ("accuracy", "macro_f1")),
            "no",
        ]
    ]
    subsets = [("official test part", official.everything, "yes")]
    if official.unseen:
        subsets.append(("its images in the sealed test part", official.unseen, "no"))
    rows += [
        [name, f"{s.n_images:,}", f"{s.n_groups:,}", percent_estimate(s.accuracy), percent_estimate(s.macro_f1), leaked]
        for name, s, leaked in subsets
    ]
    return Table(
        "Winner on the official test part, mean over seeds [95 %]",
        ["images", "n", "groups", "accuracy", "macro F1", "leaked"],
        rows,
        note="“Leaked” rows hold images that the winner was trained on. They need not score higher: the official part "
        "has other shares of classes and of files.",
    )


SECTION = Section(order=20, title="Data", context=context)
