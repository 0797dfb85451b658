"""The score over one hyperparameter, varied alone or drawn together with others."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from pipeline.report.drawing import BLUE, GREY, ORANGE, canvas, percents, short, styled
from pipeline.report.formatting import cell
from pipeline.report.sections.hyperparameters.analysis import Effect
from pipeline.report.sections.search.figures import trial_points

# the best draws dark, the others pale; as bright to a colour-blind reader
SCALE = LinearSegmentedColormap.from_list("scores", mpl.colormaps["viridis_r"](np.linspace(0.08, 1, 256)))
SURFACE_DRAWS, SURFACE_VALUES = 20, 5  # complete draws, and different values on each axis, that a surface takes
FEW_VALUES = 6  # up to here every value has its tick


def numeric(values: pd.Series) -> bool:
    """Return whether the values are numbers, not booleans."""
    return bool(pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values))


def _wide(values: pd.Series) -> bool:
    """Return whether a logarithm shows the values better: positive numbers that span a factor of 10."""
    return numeric(values) and values.min() > 0 and values.max() / values.min() >= 10


def _choices(values: pd.Series) -> list[Any] | None:
    """Return each value once if they are drawn as choices: names, and few numbers that repeat; None: to scale."""
    known = sorted(values.dropna().unique(), key=lambda v: (float(v), "") if numeric(values) else (0.0, str(v)))
    few = len(known) <= FEW_VALUES and len(known) < values.notna().sum()
    return known if few or not numeric(values) else None


def _place(axis: Axes, which: str, values: pd.Series, *, n_ticks: int = 6, to_scale: bool = False) -> pd.Series:
    """Set scale and ticks of the axis `which`, x or y; return the positions of the values, which have no gaps.

    The points of choices are spread a little so that none hides another. to_scale: draw numbers as numbers even if few.
    """
    known, line = _choices(values), axis.xaxis if which == "x" else axis.yaxis
    if known is None or to_scale:
        line.set_major_locator(MaxNLocator(n_ticks, steps=[1, 2, 4, 5, 10]))
        if _wide(values):
            axis.set(**{f"{which}scale": "log"})
            line.set_major_locator(LogLocator(subs=(1, 3) if values.max() < 100 * values.min() else (1,)))
            line.set_minor_formatter(NullFormatter())
        if known is not None:
            line.set_major_locator(FixedLocator(known))
        line.set_major_formatter(lambda value, _: f"{value:g}")
        return values.astype(float)
    names = [short(cell(value), 14) for value in known]
    ends = (-0.5, len(known) - 0.5)
    axis.set(**{f"{which}ticks": range(len(known)), f"{which}ticklabels": names, f"{which}lim": ends})
    if which == "x" and sum(map(len, names)) > 16:
        axis.tick_params(axis="x", rotation=20)
    jitter = np.random.default_rng("xy".index(which)).uniform(-0.1, 0.1, len(values))
    return values.map(known.index).astype(float) + jitter


def _panels(parameters: Sequence[str], height_in: float, y_label: str) -> tuple[Figure, NDArray[Any]]:
    """Return a figure and the axes of the parameters, in rows of three."""
    n, columns = len(parameters), min(3, len(parameters))
    figure, axes = canvas(height_in * math.ceil(n / columns) + 0.2, math.ceil(n / columns), columns, sharey=True)
    for axis in axes.flat[n:]:
        axis.remove()
    for axis in axes[:, 0]:
        axis.set_ylabel(y_label, fontsize=9.5)
        axis.yaxis.set_major_formatter(percents)
    for axis, name in zip(axes.flat, parameters, strict=False):
        axis.set_title(short(name, 24), fontsize=10)
    return figure, axes.flat[:n]


@styled
def one_at_a_time(effects: Sequence[Effect], objective: str) -> Figure:
    """Draw the score over each value, the baseline's marked; band: its score ± the noise between seeds."""
    figure, panels = _panels([effect.key for effect in effects], 2.5, f"{objective} on val")
    for axis, effect in zip(panels, effects, strict=True):
        names = ["default" if value is None else short(cell(value), 12) for value in effect.values]
        x = pd.Series(range(len(names)), dtype=float)
        axis.set_xticks(x, names)
        axis.set_xlim(-0.5, len(names) - 0.5)
        if sum(map(len, names)) > 14:
            axis.tick_params(axis="x", rotation=40, labelsize=9)
        scores = pd.Series(effect.scores, dtype=float)
        own = effect.baseline
        if effect.noise is not None and pd.notna(scores[own]):
            axis.axhspan(scores[own] - effect.noise, scores[own] + effect.noise, color=ORANGE, alpha=0.15, lw=0)
        trained = scores.notna()
        axis.plot(x[trained], scores[trained], ls="-" if effect.numeric else "none", color=BLUE, lw=1.2)
        axis.scatter(x[trained], scores[trained], color=BLUE, s=26, zorder=3)
        axis.scatter(x[own], scores[own], marker="D", color=ORANGE, s=44, zorder=4)
        bottom: dict[str, Any] = {"transform": axis.get_xaxis_transform(), "clip_on": False}
        axis.scatter(x[~trained], np.zeros((~trained).sum()), marker="x", color=GREY, **bottom)
    return figure


@styled
def slices(trials: pd.DataFrame, parameters: Sequence[str], objective: str) -> Figure:
    """Draw the score over each parameter, a panel each; numbers that span a factor of 10 on a log axis."""
    figure, panels = _panels(parameters, 2.35, f"{objective}, val")
    for axis, name in zip(panels, parameters, strict=True):
        shown = trials[trials[name].notna() & (trials["state"] != "failed")]
        trial_points(axis, shown, _place(axis, "x", shown[name], n_ticks=2), size=22)
    marks = {label: mark for axis in panels for mark, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(marks.values(), marks, loc="outside lower center", ncols=5, fontsize=9.5)
    return figure


@styled
def importances(shares: Mapping[str, float]) -> Figure:
    """Draw a bar per parameter, the largest on top."""
    figure, axes = canvas(0.34 * len(shares) + 0.95)
    axis, rows = axes[0, 0], range(len(shares))
    axis.barh(rows, list(shares.values()), color=BLUE, height=0.62, tick_label=[short(name, 24) for name in shares])
    axis.set(ylim=(len(shares) - 0.5, -0.5), xlim=(0, 1), xlabel="share of the score's variance over the draws")
    axis.xaxis.set_major_formatter(percents)
    axis.grid(axis="y", visible=False)
    return figure


def _norm(scores: pd.Series) -> Normalize:
    low, high = float(scores.min()), float(scores.max())
    return Normalize(low if low < high else low - 1, high)  # a single score is a good one


@styled
def contour(draws: pd.DataFrame, pair: Sequence[str], objective: str) -> Figure:
    """Draw complete draws over two parameters, coloured by score, with a surface if `has_surface`."""
    figure, axes = canvas(3.9)
    axis, norm = axes[0, 0], _norm(draws["score"])
    surface = has_surface(draws, pair)
    x, y = (_place(axis, which, draws[name], to_scale=surface) for which, name in zip("xy", pair, strict=True))
    if surface:
        # linear between the draws in units of the axes, and nothing outside of them
        u, v = (_stretch(axis, which, draws[name]) for which, name in zip("xy", pair, strict=True))
        axis.tricontourf(u, v, draws["score"], 8, cmap=SCALE, norm=norm, alpha=0.6, transform=axis.transAxes)
    axis.scatter(x, y, c=draws["score"], cmap=SCALE, norm=norm, s=46, ec="black", lw=0.7, zorder=3)
    axis.set(xlabel=short(pair[0], 30), ylabel=short(pair[1], 30))
    bar = figure.colorbar(ScalarMappable(norm, SCALE), ax=axis, label=f"{objective} on val", pad=0.02)
    bar.ax.yaxis.set_major_formatter(percents)
    return figure


def has_surface(draws: pd.DataFrame, pair: Sequence[str]) -> bool:
    """Return whether there are enough draws, over two numbers with enough different values."""
    enough = len(draws) >= SURFACE_DRAWS
    return enough and all(numeric(draws[name]) and draws[name].nunique() >= SURFACE_VALUES for name in pair)


def _stretch(axis: Axes, which: str, values: pd.Series) -> NDArray[np.float64]:
    """Set the limits of the axis a little beyond the values; return the values as shares of its length."""
    scale, back = (np.log, np.exp) if _wide(values) else (np.asarray, np.asarray)
    places = scale(values.to_numpy(dtype=float))
    margin = 0.06 * (places.max() - places.min())
    low, high = places.min() - margin, places.max() + margin
    axis.set(**{f"{which}lim": (float(back(low)), float(back(high)))})
    return np.asarray((places - low) / (high - low))
