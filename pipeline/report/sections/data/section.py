"""From images to groups to parts."""

from typing import Any

import numpy as np

from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.samples import PARTS
from pipeline.report.formatting import percent, percent_estimate
from pipeline.report.sections.performance.analysis import Scores
from pipeline.report.sections.performance.subgroups import Official

DROPPED = {
    "label_conflict": "copies under another label",
    "official_train_also_in_test": "official training images with a copy in the official test part",
}


def content(evaluation: Evaluation, scores: Scores, official: Official | None) -> dict[str, Any]:
    info, classes = evaluation.dataset, evaluation.classes
    sizes = {part: np.bincount(evaluation.parts[part].labels, minlength=len(classes)) for part in PARTS}
    counts = [(name.replace("_", " "), f"{value:,}") for name, value in info.counts.items()]
    parts = [(part, info.parts[part].images, info.parts[part].groups) for part in PARTS]
    dropped = [(DROPPED.get(reason, reason.replace("_", " ")), n) for reason, n in info.dropped.items() if n]
    balance = [
        [name, *(f"{sizes[part][c]:,} ({percent(sizes[part][c] / sizes[part].sum(), 0)})" for part in PARTS)]
        for c, name in enumerate(classes)
    ]
    return {
        "counts": counts,
        "parts": parts,
        "dropped": dropped,
        "balance": balance,
        "official": None if official is None else _official(evaluation, scores, official),
    }


def _official(evaluation: Evaluation, scores: Scores, official: Official) -> dict[str, Any]:
    test = evaluation.parts["test"]
    rows = [
        [
            "sealed test part of this page", f"{test.labels.size:,}", f"{sum(scores.class_groups):,}",
            *(percent_estimate(scores.means[name]["winner"]) for name in ("accuracy", "macro_f1")), "no",
        ]
    ]  # fmt: skip
    subsets = [("official test part", official.all_of_it, "yes")]
    if official.unseen:
        subsets.append(("those of it in the sealed test part", official.unseen, "no"))
    rows += [
        [name, f"{s.n_images:,}", f"{s.n_groups:,}", percent_estimate(s.accuracy), percent_estimate(s.macro_f1), leaked]
        for name, s, leaked in subsets
    ]
    return {"rows": rows, "leaking": percent(official.leaking), "trained_on": percent(official.trained_on, 0)}
