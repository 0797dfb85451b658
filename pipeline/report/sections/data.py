"""From images to groups to parts."""

from typing import Any

import numpy as np

from pipeline.artifacts.samples import PARTS
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import percent, percent_estimate
from pipeline.report.results import Results
from pipeline.report.sections.subgroups import OfficialTest, official_test

DROPPED = {
    "label_conflict": "copies under another label",
    "official_train_also_in_test": "official training images with a copy in the official test part",
}


def context(results: Results) -> dict[str, Any]:
    """Return the counts of images and groups, and the scores on the published test part."""
    info, classes, parts = results.evaluation.dataset, results.evaluation.classes, results.evaluation.parts
    sizes = np.stack([np.bincount(parts[part].labels, minlength=len(classes)) for part in PARTS], axis=1)
    shares = sizes / sizes.sum(axis=0)  # (K, parts)
    official = official_test(results.evaluation)
    return {
        "dropped": [(DROPPED.get(reason, reason.replace("_", " ")), n) for reason, n in info.dropped.items() if n],
        "balance": [
            [name, *(f"{n:,} ({percent(share, 0)})" for n, share in zip(sizes[c], shares[c], strict=True))]
            for c, name in enumerate(classes)
        ],
        "official": official,
        "official_scores": official and _official_scores(results, official),
    }


def _official_scores(results: Results, official: OfficialTest) -> list[list[str]]:
    scores, n_images = results.scores, results.evaluation.parts["test"].labels.size
    sealed = [percent_estimate(scores.means[name]["winner"]) for name in ("accuracy", "macro_f1")]
    rows = [["test part of this page", f"{n_images:,}", f"{sum(scores.class_groups):,}", *sealed, "no"]]
    subsets = [("official test part", official.everything, "yes")]
    if official.unseen:
        subsets.append(("its images in the test part of this page", official.unseen, "no"))
    for name, subset, leaked in subsets:
        reached = [percent_estimate(subset.accuracy), percent_estimate(subset.macro_f1)]
        rows.append([name, f"{subset.n_images:,}", f"{subset.n_groups:,}", *reached, leaked])
    return rows


SECTION = Section(order=20, title="Data", context=context)
