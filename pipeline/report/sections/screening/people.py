"""100,000 people as icons: blocks of 10 by 10 cells, 40 blocks in a row."""

from typing import Any

from pipeline.report.formatting import count, count_estimate
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.screening import Operation, estimate_screening

PEOPLE = 100_000
BLOCK, BLOCKS = 100, 40
LABELS = {
    "tp": "diseased, called positive",
    "fn": "diseased, missed",
    "fp": "healthy, called positive",
    "tn": "healthy, called negative",
}
OPPOSITE = {"": "", "at most ": "at least ", "at least ": "at most "}


def people(operation: Operation, prevalence_per_100k: float) -> dict[str, Any]:
    """Return whole people by what the decision would do to them; a bound takes the place of a missing estimate.

    kinds: name, label, number and SVG outline of people with the same state and call; missed: the estimate;
    summary: a sentence about those called positive, empty where a number is a bound.
    """
    expected = estimate_screening(operation, prevalence_per_100k, PEOPLE)
    diseased = _whole(prevalence_per_100k)
    missed = min(diseased, _drawn(expected.false_negatives))
    alarmed = min(PEOPLE - diseased, _drawn(expected.false_positives))
    counts = {"tp": diseased - missed, "fn": missed, "fp": alarmed, "tn": PEOPLE - diseased - alarmed}
    bounds = {"fn": _bound(expected.false_negatives), "fp": _bound(expected.false_positives)}
    bounds |= {"tp": OPPOSITE[bounds["fn"]], "tn": OPPOSITE[bounds["fp"]]}
    kinds, first = [], 0
    for name, n in counts.items():
        path = outline(first, first + n)
        kinds.append({"name": name, "label": LABELS[name], "n": f"{bounds[name]}{n:,}", "path": path})
        first += n
    called, right = counts["tp"] + alarmed, prevalence_per_100k - (expected.false_negatives.value or 0)
    summary = f"Of {called:,} people called positive, about {count(right)} are diseased."
    missed_text = count_estimate(expected.false_negatives)
    return {"kinds": kinds, "missed": missed_text, "summary": "" if any(bounds.values()) else summary}


def _bound(estimate: Estimate) -> str:
    if estimate.value is not None:
        return ""
    return "at least " if estimate.high is None else "at most "


def _drawn(estimate: Estimate) -> int:
    return _whole(next(v for v in (estimate.value, estimate.high, estimate.low, 0.0) if v is not None))


def _whole(persons: float) -> int:
    return int(persons + 0.5)


def outline(first: int, end: int) -> str:
    """Return the SVG path around the cells of the people first to end - 1; a cell is 1 by 1, blocks fill in order.

    slider.js draws the same.
    """
    path = ""
    while first < end:
        block, inside = divmod(first, BLOCK)
        x, y = 10 * (block % BLOCKS), 10 * (block // BLOCKS) + inside // 10
        width, height = 10, 1
        if inside == 0 and end - first >= BLOCK:
            width, height = 10 * min((end - first) // BLOCK, BLOCKS - block % BLOCKS), 10
        elif inside % 10 == 0 and min(end - first, BLOCK - inside) >= 10:
            height = min(end - first, BLOCK - inside) // 10
        else:
            x += inside % 10
            width = min(end - first, 10 - inside % 10)
        path += f"M{x} {y}h{width}v{height}h{-width}z"
        first += width * height
    return path
