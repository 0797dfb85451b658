"""Sensitivity and specificity by the source of an image."""

import numpy as np

from pipeline.report.formatting import percent_estimate
from pipeline.report.results import Results
from pipeline.report.sections.subgroups import SourceRate, are_apart, rates_by_source, sources_of, worst_and_best


def screened_sources(results: Results, image: str) -> dict[str, list[SourceRate]]:
    """Return sensitivity and specificity of the winner at its frozen thresholds, by source. image: slice or image."""
    part, winner = results.evaluation.parts["test"], results.decisions["winner"]
    called = part.models["winner"].positive_score >= np.array(winner.thresholds)[:, None]  # (S, N)
    sources = sources_of(results.evaluation, part.samples)
    sides = {f"sensitivity per {image}": part.positive, f"specificity per {image}": ~part.positive}
    return {
        rate: rates_by_source((called == part.positive)[:, side], part.groups[side], sources[side])
        for rate, side in sides.items()
    }


def caution(rate: str, rates: list[SourceRate]) -> str | None:
    """Return a sentence about the worst source; None unless two can be compared."""
    ends = worst_and_best(rates)
    if ends is None:
        return None
    worst, best = (f"{percent_estimate(of.rate)} ({of.source}, n = {of.n_units} units)" for of in ends)
    if are_apart(ends[0].rate, ends[1].rate):
        return f"{rate.capitalize()} depends on the source: {worst} against {best}."
    return f"{rate.capitalize()} may depend on the source: {worst} against {best}, intervals that overlap."
