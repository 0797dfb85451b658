"""Decision curve: what calling people positive is worth, by how many alarms one found case is worth.

Source: Vickers and Elkin 2006.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import Evaluation
from pipeline.report.analysis.decision import Decision, rates
from pipeline.report.drawing import BLUE, GREY, ORANGE, canvas, percents, styled
from pipeline.report.formatting import count, number_estimate, percent
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.screening import net_benefit, score_threshold

N_POINTS = 80


def thresholds(prevalence: float) -> NDArray[np.float64]:
    """Return threshold probabilities on a logarithm, from below the prevalence to at least 1 %."""
    return np.geomspace(prevalence / 4, max(0.01, min(0.9, 20 * prevalence)), N_POINTS)


def at_threshold(evaluation: Evaluation, prevalence: float, probability: float) -> NDArray[np.float64]:
    """Return the net benefit per person of each seed, (S,): positive is what reaches the probability.

    Probabilities are those of the winner on test, shifted from the share of positive images in train to the prevalence.
    """
    test, prior = evaluation.parts["test"], float(evaluation.parts["train"].positive.mean())
    threshold = score_threshold(np.array([probability]), prior, prevalence)
    seeds = zip(*rates(test, test.models["winner"].positive_score >= threshold), strict=True)
    return np.array([_value(se, sp, prevalence, probability) for se, sp in seeds])


def _value(sensitivity: float, specificity: float, prevalence: float, probability: float) -> float:
    rates_of = Estimate(sensitivity, None, None), Estimate(specificity, None, None)
    return net_benefit(*rates_of, prevalence, probability).value or 0.0


def benefit_rows(evaluation: Evaluation, frozen: Decision, prevalence: float, n_screened: float) -> list[list[str]]:
    """Return the rows of a table at some threshold probabilities, per n_screened."""
    rows = []
    for probability in sorted({prevalence, 0.001, 0.005, 0.01}):
        of_frozen = net_benefit(frozen.estimate.sensitivity, frozen.estimate.specificity, prevalence, probability)
        shifted = float(at_threshold(evaluation, prevalence, probability).mean())
        everyone = _value(1, 0, prevalence, probability)
        rows.append(
            [
                percent(probability, 3),
                count((1 - probability) / probability),
                number_estimate(_scaled(of_frozen, n_screened)),
                f"{n_screened * shifted:.3g}",
                f"{n_screened * everyone:.3g}",
            ]
        )
    return [[cell.replace("-", "−") for cell in row] for row in rows]


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    value, low, high = (None if x is None else factor * x for x in (estimate.value, estimate.low, estimate.high))
    return replace(estimate, value=value, low=low, high=high)


@styled
def decision_curve(evaluation: Evaluation, frozen: Decision, prevalence: float, n_screened: float) -> Figure:
    """Draw the net benefit over the threshold probability: each seed, the frozen thresholds, calling all or no one."""
    figure, axes = canvas(3.8)
    axis, at = axes[0, 0], thresholds(prevalence)
    shifted = np.array([at_threshold(evaluation, prevalence, float(p)) for p in at])  # (points, S)
    for seed, curve in enumerate(shifted.T):
        label = "one seed, probabilities at this prevalence" if seed == 0 else None
        axis.plot(at, n_screened * curve, color=BLUE, lw=1, alpha=0.55, label=label)
    se, sp = frozen.operation.sensitivity, frozen.operation.specificity
    lines: list[tuple[str, float, float, dict[str, Any]]] = [
        ("frozen thresholds, mean over seeds", se, sp, {"color": ORANGE, "lw": 2}),
        ("everyone is called", 1, 0, {"color": GREY, "lw": 1.4, "ls": "--"}),
        ("no one is called", 0, 1, {"color": "black", "lw": 1.2}),
    ]
    for label, hit, reject, style in lines:
        axis.plot(at, [n_screened * _value(hit, reject, prevalence, float(p)) for p in at], label=label, **style)
    axis.axvline(prevalence, color=GREY, lw=1, ls=":")
    top = n_screened * prevalence
    axis.annotate(
        "prevalence", (prevalence, 0.0), xycoords=("data", "axes fraction"), textcoords="offset points", xytext=(-3, 4),
        ha="right", va="bottom", rotation=90, fontsize=8.5, color="#555555",
    )  # fmt: skip
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(percents)
    axis.set(xlabel="threshold probability (log)", ylabel=f"net benefit per {n_screened:,}", xlim=(at[0], at[-1]))
    axis.set_ylim(-0.35 * top, 1.05 * top)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8.5)
    return figure
