"""The pictures of a report. Each function draws one figure from plain numbers; `png` makes it a file.

Colours are those of Okabe and Ito (2008), told apart by colour-blind readers; text stays readable at half width.
Figures are drawn without pyplot, so nothing global is touched and nothing has to be closed.
"""

import contextlib
import functools
import io
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, PercentFormatter
from numpy.typing import NDArray

from pipeline.estimates import Estimate
from pipeline.files import writing

BLUE, ORANGE, GREEN, PINK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7A7A7A"
PART_COLORS = {"train": BLUE, "val": ORANGE, "test": GREEN}
MODEL_COLORS = {"winner": BLUE, "baseline": ORANGE}
STATE_COLORS = {"complete": BLUE, "pruned": PINK, "failed": GREY}
WIDTH_IN, DPI = 6.4, 160

STYLE: dict[Any, Any] = {
    "figure.dpi": DPI,
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.labelsize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "legend.frameon": False,
    "text.parse_math": False,  # a class may be called $x$
}

P = ParamSpec("P")


@contextlib.contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # a name in a script the font lacks shows boxes here and its letters in the page's text
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    @functools.wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _style():
            return draw(*args, **kwargs)

    return wrapper


def png(figure: Figure) -> bytes:
    """The same numbers give the same bytes under the same versions."""
    out = io.BytesIO()
    with _style():
        figure.savefig(out, format="png", dpi=DPI, metadata={"Software": None})
    return out.getvalue()


def canvas(height_in: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, NDArray[Any]]:
    """A figure of the page's width and its axes (rows, columns)."""
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def short(name: str, n: int = 18) -> str:
    return name if len(name) <= n else name[: n - 1] + "…"


@styled
def confusion(matrices: Mapping[str, NDArray[Any]], classes: Sequence[str]) -> Figure:
    """matrices: title -> (K, K) counts, rows are the truth. Colour and percentage: share of the row."""
    k, n = len(classes), len(matrices)
    names = [short(name, 12) for name in classes]
    room_in = 0.09 * max(map(len, names))  # what the names take of either side
    level = room_in < (WIDTH_IN - 0.3 - room_in) / n / k
    figure, axes = canvas((WIDTH_IN - 0.3 - room_in) / n + (0.75 if level else 0.75 + 0.65 * room_in), 1, n)
    for i, (axis, (title, counts)) in enumerate(zip(axes[0], matrices.items(), strict=True)):
        totals = counts.sum(axis=1, keepdims=True)
        share = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
        text = [[_cell(counts[r, c], share[r, c]) for c in range(k)] for r in range(k)]
        size = 8.5 if k > 5 else 10 if n > 1 else 13
        # the square root makes a row share of 1 % visible beside one of 99 %
        sns.heatmap(
            share, ax=axis, annot=text, fmt="", cmap="Blues", norm=PowerNorm(0.5, 0, 1), cbar=False, square=True,
            linewidths=1, annot_kws={"fontsize": size}, xticklabels=names, yticklabels=names if i == 0 else False,
        )  # fmt: skip
        axis.set(title=title, xlabel="predicted", ylabel="truth" if i == 0 else "")
        axis.tick_params(axis="x", rotation=0 if level else 40, length=0)
        axis.tick_params(axis="y", rotation=0, length=0)
    return figure


def _cell(count: float, share: float) -> str:
    if count == 0:
        return ""
    number = f"{count:,.0f}" if count >= 100 or float(count).is_integer() else f"{count:.1f}"
    percent = (
        "100 %"
        if share == 1
        else ">99.9 %"
        if share > 0.999
        else f"{100 * share:.1f} %"
        if share >= 0.01
        else f"{100 * share:.2g} %"
    )
    return f"{number}\n{percent}"


@styled
def learning_curves(curves: pd.DataFrame, best_epochs: Mapping[str, Sequence[int]]) -> Figure:
    """Thin: every seed; thick: their mean; ticks: epochs kept. curves: the contract of `evaluate`."""
    models = [m for m in MODEL_COLORS if m in set(curves["model"])]
    figure, axes = canvas(2.7 * len(models) + 0.3, len(models), 2, sharex="row")
    for row, model in zip(axes, models, strict=True):
        table = curves[curves["model"] == model]
        for axis, (measure, label) in zip(row, (("loss", "loss"), ("macro_f1", "macro F1")), strict=True):
            for part in ("train", "val"):
                column, color = f"{part}_{measure}", PART_COLORS[part]
                wide = table.pivot(index="epoch", columns="seed", values=column)
                axis.plot(wide.index, wide.to_numpy(), color=color, lw=0.8, alpha=0.45)
                axis.plot(wide.index, wide.mean(axis=1), color=color, lw=2.2, label=part)
            axis.set(title=f"{model}: {label}", xlabel="epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
            axis.plot(
                best_epochs[model], np.zeros(len(best_epochs[model])), "|", color="black", ms=14, mew=1.6,
                transform=axis.get_xaxis_transform(), clip_on=False, label="epoch kept", ls="none",
            )  # fmt: skip
        row[0].legend(fontsize=9)
    return figure


@styled
def history(trials: pd.DataFrame, objective: str) -> Figure:
    """Scores in the order of the trials, and the best complete one so far."""
    figure, axes = canvas(3.1)
    axis = axes[0, 0]
    done = trials[trials["state"] == "complete"]
    if len(done):
        axis.step(done["number"], done["score"].cummax(), where="post", color="black", lw=1.4, label="best so far")
    _trial_points(axis, trials, trials["number"])
    axis.set(xlabel="trial", ylabel=f"{objective} on val", title="Every trial, in order")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(fontsize=9, loc="lower right")
    return figure


def _trial_points(axis: Axes, trials: pd.DataFrame, x: pd.Series, size: float = 34) -> None:
    for state, marker in (("complete", "o"), ("pruned", "v"), ("failed", "x")):
        rows = (trials["state"] == state) & (trials["role"] != "baseline")
        where: dict[str, Any]
        if state == "failed":  # no score: marked on the axis
            where = {"y": np.zeros(rows.sum()), "transform": axis.get_xaxis_transform(), "clip_on": False}
        else:
            where = {"y": trials.loc[rows, "score"]}
        if rows.any():
            axis.scatter(x[rows], marker=marker, s=size, color=STATE_COLORS[state], alpha=0.85, label=state, **where)
    base = (trials["role"] == "baseline") & trials["score"].notna()
    axis.scatter(x[base], trials.loc[base, "score"], marker="D", s=size * 1.3, color=ORANGE, label="baseline", zorder=3)


@styled
def slices(trials: pd.DataFrame, parameters: Sequence[str], objective: str) -> Figure:
    """The score over each parameter, one panel each; numbers that span a factor of 10 on a log axis."""
    columns = min(3, len(parameters))
    rows = math.ceil(len(parameters) / columns)
    figure, axes = canvas(2.35 * rows + 0.2, rows, columns, sharey=True)
    rng = np.random.default_rng(0)  # jitter, so that equal choices do not hide each other
    for axis, name in zip(axes.flat, parameters, strict=False):
        shown = trials[trials[name].notna() & (trials["state"] != "failed")]
        values = shown[name]
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            x = values.astype(float)
            if x.min() > 0 and x.max() / x.min() >= 10:
                axis.set_xscale("log")
                axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                axis.xaxis.set_minor_formatter(NullFormatter())
        else:
            choices = sorted(values.astype(str).unique())
            x = pd.Series([choices.index(str(v)) for v in values], index=shown.index, dtype=float)
            x += rng.uniform(-0.12, 0.12, len(x))
            axis.set_xticks(
                range(len(choices)), [short(c, 14) for c in choices], rotation=20 if len(choices) > 2 else 0
            )
            axis.set_xlim(-0.5, len(choices) - 0.5)
        _trial_points(axis, shown, x, size=22)
        axis.set_title(short(name, 24), fontsize=10)
    for axis in axes[:, 0]:
        axis.set_ylabel(f"{objective}, val", fontsize=9.5)
    for axis in axes.flat[len(parameters) :]:
        axis.remove()
    return figure


@styled
def score_points(
    points: Mapping[str, Mapping[str, NDArray[Any]]], ends: Mapping[str, Mapping[str, Estimate]]
) -> Figure:
    """Every seed as a point, mean and interval beside. points: score -> model -> (S,); ends: the same -> Estimate."""
    names = list(points)
    figure, axes = canvas(0.75 * len(names) + 1.0)
    axis = axes[0, 0]
    for row, name in enumerate(names):
        for offset, model in ((-0.17, "winner"), (0.17, "baseline")):
            color, y, estimate = MODEL_COLORS[model], row + offset, ends[name][model]
            axis.plot(
                points[name][model], np.full(len(points[name][model]), y + 0.1), "o", color=color, ms=4, alpha=0.6
            )
            mean = float(np.mean(points[name][model]))
            low, high = (mean if end is None else end for end in (estimate.low, estimate.high))
            axis.plot([low, high], [y, y], color=color, lw=2.4, solid_capstyle="butt")
            axis.plot(mean, y, "D", color=color, ms=6.5, mec="white", label=model if row == 0 else None)
    axis.set_yticks(range(len(names)), [name.replace("_", " ").replace(" f1", " F1") for name in names])
    axis.set_ylim(len(names) - 0.45, -0.55)
    axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=None, symbol=" %"))
    axis.set(title="Test part: mean, 95 % interval, every seed", xlabel="")
    axis.grid(axis="y", visible=False)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9.5)
    return figure


@styled
def reliability(curves: Mapping[str, NDArray[Any]]) -> Figure:
    """curves: title -> (bins, 4) of mean confidence, accuracy and the ends of its interval."""
    figure, axes = canvas(3.55, 1, 2)
    least = min(float(rows[:, [0, 2]].min()) for rows in curves.values())
    floor = math.floor(max(0.0, least - 0.02) * 20) / 20  # the corner where the bins of a good model crowd
    for axis, (title, rows) in zip(axes[0], curves.items(), strict=True):
        axis.plot([floor, 1], [floor, 1], color="black", lw=1, ls=":", label="perfectly calibrated")
        axis.errorbar(
            rows[:, 0], rows[:, 1], yerr=np.abs(rows[:, 1] - rows[:, 2:].T), color=BLUE, fmt="o", ms=5, lw=1.4,
            capsize=2.5, clip_on=False, label="bin, 95 % interval",
        )  # fmt: skip
        axis.set(title=title, xlabel="stated probability", ylabel="" if axis is axes[0, 1] else "share that is right")
        axis.set(xlim=(floor, 1), ylim=(floor, 1))
        axis.set_aspect("equal")
        for ticks in (axis.xaxis, axis.yaxis):
            ticks.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
            ticks.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9.5)
    return figure


@styled
def operating_curve(
    curves: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    points: Sequence[tuple[float, float]],
    n_healthy: float,
    n_screened: int,
) -> Figure:
    """False positives against sensitivity. curves: per seed (sensitivity, specificity); points: at the frozen one."""
    figure, axes = canvas(3.6)
    axis = axes[0, 0]
    for i, (sensitivity, specificity) in enumerate(curves):
        label = "one seed, any threshold (exploration)" if i == 0 else None
        axis.plot(sensitivity, n_healthy * (1 - specificity), color=BLUE, lw=1, alpha=0.55, label=label)
    for i, (se, sp) in enumerate(points):
        label = "at its frozen threshold" if i == 0 else None
        axis.plot(se, n_healthy * (1 - sp), "D", color=ORANGE, ms=7, mec="white", label=label, clip_on=False, zorder=3)
    # linear below one expected person: a curve may touch 0
    smallest = min(
        (n_healthy * float((1 - line[line < 1]).min()) for _, line in curves if (line < 1).any()), default=1.0
    )
    axis.set_yscale("symlog", linthresh=smallest)
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    floor = max(0.0, min(se for se, _ in points) - 0.1)
    axis.set(xlabel="sensitivity", ylabel=f"false positives per {n_screened:,}", xlim=(floor, 1.005))
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=9, loc="upper left")
    return figure


@styled
def ppv_over_prevalence(
    prevalences: NDArray[Any], ppv: Sequence[Estimate], marked: Iterable[float], main: float
) -> Figure:
    """PPV with its interval, or its lower bound where the sample gives no more. prevalences: per 100,000."""
    figure, axes = canvas(3.6)
    axis = axes[0, 0]
    low = np.array([np.nan if e.low is None else e.low for e in ppv])
    value = np.array([np.nan if e.value is None else e.value for e in ppv])
    high = np.array([1.0 if e.high is None else e.high for e in ppv])
    if np.isfinite(value).any():
        axis.plot(prevalences, value, color=BLUE, lw=2.2, label="PPV")
        axis.fill_between(prevalences, low, high, color=BLUE, alpha=0.18, lw=0, label="95 % interval")
    elif np.isfinite(low).any():
        axis.plot(prevalences, low, color=BLUE, lw=2.2, ls="--", label="PPV is at least")
        axis.fill_between(prevalences, low, 1, color=BLUE, alpha=0.12, lw=0)
    for prevalence in marked:
        strong = prevalence == main
        axis.axvline(prevalence, color=ORANGE if strong else GREY, lw=1.6 if strong else 1, ls="-" if strong else ":")
        side = "right" if strong else "left"
        axis.annotate(
            f"{prevalence:g}", (prevalence, 1.0), xycoords=("data", "axes fraction"), textcoords="offset points",
            xytext=(-3 if strong else 3, -3), ha=side, va="top", rotation=90, fontsize=8.5,
            color=ORANGE if strong else "#555555",
        )  # fmt: skip
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set(xlabel="prevalence per 100,000 (log)", ylabel="PPV (log)", xlim=(prevalences[0], prevalences[-1]))
    axis.set_ylim(top=1)
    axis.legend(fontsize=9, loc="lower right")
    return figure


@styled
def leaderboard(rows: Sequence[tuple[str, Estimate, float]], label: str) -> Figure:
    """rows: experiment, winner with its interval, baseline mean; one line each."""
    figure, axes = canvas(0.45 * len(rows) + 1.25)
    axis = axes[0, 0]
    for y, (_, winner, baseline) in enumerate(rows):
        ends = [winner.value if end is None else end for end in (winner.low, winner.high)]
        axis.plot(ends, [y, y], "|-", color=BLUE, lw=1.6, ms=13, mew=1.6)
        axis.plot(winner.value, y, "D", color=BLUE, ms=5, label="winner" if y == 0 else None)
        axis.plot(baseline, y, "o", color=ORANGE, ms=5.5, label="baseline" if y == 0 else None)
    axis.set_yticks(range(len(rows)), [short(name, 28) for name, _, _ in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=None, symbol=" %"))
    axis.set(xlabel=label)
    axis.grid(axis="y", visible=False)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9.5)
    return figure


@dataclass(frozen=True)
class Picture:
    """A figure on a page. drawn: made of lines and letters, so a dark page may invert it; scans never are."""

    name: str
    png: bytes
    alt: str
    caption: str
    drawn: bool = True


def write_pictures(folder: Path, pictures: Iterable[Picture]) -> None:
    """Leaves exactly these PNG files in the folder."""
    for old in folder.glob("*.png"):
        old.unlink()
    for picture in pictures:
        with writing(folder / f"{picture.name}.png") as part:
            part.write_bytes(picture.png)
