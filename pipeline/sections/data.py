"""From images to groups to parts."""

from typing import Any

import numpy as np

from pipeline.data import PARTS
from pipeline.pages import percent
from pipeline.results import Evaluation


def content(evaluation: Evaluation) -> dict[str, Any]:
    info, classes = evaluation.dataset, evaluation.classes
    sizes = {part: np.bincount(evaluation.parts[part].labels, minlength=len(classes)) for part in PARTS}
    flow = [(name.replace("_", " "), f"{value:,}") for name, value in info["counts"].items()]
    flow += [(f"dropped: {reason.replace('_', ' ')}", f"{n:,}") for reason, n in info["dropped"].items()]
    parts = [[part, f"{info['parts'][part]['images']:,}", f"{info['parts'][part]['groups']:,}"] for part in PARTS]
    balance = [
        [name, *(f"{sizes[part][c]:,} ({percent(sizes[part][c] / sizes[part].sum(), 0)})" for part in PARTS)]
        for c, name in enumerate(classes)
    ]
    return {"flow": flow, "parts": parts, "balance": balance}
