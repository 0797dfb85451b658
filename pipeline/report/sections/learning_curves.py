"""Learning curves of the retrained models, as figures and as numbers, and where over-fitting starts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike

from pipeline.artifacts.evaluation import MODELS
from pipeline.report.drawing import MODEL_COLORS, PART_COLORS, Picture, canvas, png, styled
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import number, percent
from pipeline.report.results import Results

MARGIN = 0.05  # of the least loss on val: Prechelt's generalisation loss of 5 %
MIN_EPOCHS_AFTER = 2  # one epoch above the margin is a wiggle
MILESTONES = 6  # epochs of a training in a table
LEAST = 1e-7  # loss on a logarithm; float32 cannot separate a smaller one from 0
Milestone = tuple[str, int, float, int, float, float | None]
"""model, step, epoch, seeds, loss on train over the slice that ends there, and on val; None before an epoch ends"""


def context(results: Results) -> dict[str, Any]:
    """Return where each model over-fits, and its loss by step."""
    curves = results.evaluation.curves_by_step
    starts = overfitting(curves)
    rows = []
    for model, step, epoch, n_seeds, *losses in milestones(curves, results.evaluation.steps):
        rows.append([model, f"{step:,}", f"{epoch:.2f}".removesuffix(".00"), n_seeds, *map(number, losses)])
    return {
        "overfitting": [overfitting_sentence(model, list(starts[model].values())) for model in MODELS],
        "margin": percent(MARGIN, 0),
        "least": MIN_EPOCHS_AFTER,
        "milestones": rows,
    }


def overfitting_sentence(model: str, starts: list[int | None]) -> str:
    """Return a sentence. starts: epoch of every seed; None: no over-fitting."""
    after = sorted(epoch for epoch in starts if epoch is not None)
    if not after:
        return f"The {model}: no over-fitting by this rule under any seed."
    epochs = str(after[0]) if after[0] == after[-1] else f"{after[0]} to {after[-1]}"
    return f"The {model} over-fits by this rule after epoch {epochs}, under {len(after)} of {len(starts)} seeds."


def overfitting_start(train_loss: ArrayLike, val_loss: ArrayLike) -> int | None:
    """Return the epoch, from 1, after which the loss on val stays more than MARGIN above its minimum.

    None if it comes back, if the loss on train stops falling, or if fewer than MIN_EPOCHS_AFTER epochs follow.
    train_loss, val_loss: (E,) per epoch. Source: the generalisation loss of Prechelt 1998, read from the last epoch.
    """
    train, val = np.asarray(train_loss, dtype=float), np.asarray(val_loss, dtype=float)
    last = int(np.flatnonzero(val <= (1 + MARGIN) * val.min())[-1])
    return None if val.size - 1 - last < MIN_EPOCHS_AFTER or train[-1] >= train[last] else last + 1


def overfitting(curves: pd.DataFrame) -> dict[str, dict[int, int | None]]:
    """Return model -> seed -> `overfitting_start`. curves: those of an Evaluation."""
    starts: dict[str, dict[int, int | None]] = {}
    for model, seed in curves[["model", "seed"]].drop_duplicates().itertuples(index=False):
        run = curves[(curves["model"] == model) & (curves["seed"] == seed)].sort_values("epoch")
        starts.setdefault(model, {})[seed] = overfitting_start(run["train_loss"], run["val_loss"])
    return starts


def mean_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Return one row per epoch with columns `<model>_<value>`: means over seeds, as far as all seeds trained."""
    of_model = []
    for model in curves["model"].unique():
        runs = curves[curves["model"] == model].drop(columns=["model", "step", "lr"])
        by_epoch = runs.groupby("epoch")
        whole = by_epoch["seed"].nunique() == runs["seed"].nunique()
        of_model.append(by_epoch.mean().drop(columns="seed")[whole].add_prefix(f"{model}_"))
    table: pd.DataFrame = pd.concat(of_model, axis=1).dropna(axis=1, how="all").reset_index()
    return table


def milestones(curves: pd.DataFrame, steps: pd.DataFrame) -> list[Milestone]:
    """Return the first slice of each model, then ends of epochs, evenly on a logarithm.

    Losses are means over the seeds that reached it. curves, steps: curves_by_step and steps of an Evaluation.
    """
    ends = []
    for model, epochs in curves.groupby("model", sort=False):
        n_steps = int(epochs["step"].iloc[0] // epochs["epoch"].iloc[0])  # of an epoch
        slices, last = steps[steps["model"] == model], epochs["epoch"].max()
        shown = [n_steps * int(epoch) for epoch in np.unique(np.rint(np.geomspace(1, last, MILESTONES)))]
        for step in sorted({int(slices["step"].min()), *shown}):
            train = slices.loc[slices["step"] == step, "train_loss"]
            val = epochs.loc[epochs["step"] == step, "val_loss"]
            val_loss = float(val.mean()) if len(val) else None
            ends.append((str(model), step, step / n_steps, len(train), float(train.mean()), val_loss))
    return ends


def draw(results: Results) -> list[Picture]:
    """Draw loss and macro F1 by epoch, and the loss by step."""
    evaluation, curves = results.evaluation, results.evaluation.curves_by_step
    kept = {model: [run.best_epoch for run in evaluation.runs(model)] for model in MODELS}
    by_epoch = learning_curves(curves, kept, overfitting(curves))
    return [Picture("learning", png(by_epoch)), Picture("steps", png(step_curves(curves, evaluation.steps)))]


@styled
def learning_curves(
    curves: pd.DataFrame,
    best_epochs: Mapping[str, Sequence[int]],
    starts: Mapping[str, Mapping[int, int | None]],
) -> Figure:
    """Draw every seed (thin) and their mean (thick), the epochs kept (ticks) and where over-fitting starts (circles).

    curves: those of an Evaluation. starts: of `overfitting`.
    """
    models = [m for m in MODEL_COLORS if m in set(curves["model"])]
    figure, axes = canvas(2.7 * len(models) + 0.3, len(models), 2, sharex="row")
    for row, model in zip(axes, models, strict=True):
        table = curves[curves["model"] == model]
        after = {seed: epoch for seed, epoch in starts[model].items() if epoch is not None}
        for axis, (measure, label) in zip(row, (("loss", "loss"), ("macro_f1", "macro F1")), strict=True):
            for part in ("train", "val"):
                wide = table.pivot(index="epoch", columns="seed", values=f"{part}_{measure}")
                _seeds(axis, wide, part, color=PART_COLORS[part], widths=(0.8, 2.2), alpha=0.45)
            if after:  # on the curves of val, which are drawn last
                y = [wide.loc[epoch, seed] for seed, epoch in after.items()]
                axis.plot(
                    list(after.values()), y, "o", mfc="white", mec="black", mew=1.4, ms=6.5, ls="none",
                    label="over-fitting starts", zorder=4,
                )  # fmt: skip
            axis.set(title=f"{model}: {label}", xlabel="epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
            axis.plot(
                best_epochs[model], [0.035] * len(best_epochs[model]), "|", color="black", ms=9, mew=1.6, ls="none",
                transform=axis.get_xaxis_transform(), label="epoch kept", zorder=3,
            )  # fmt: skip
    shown = {label: line for row in axes for line, label in zip(*row[0].get_legend_handles_labels(), strict=True)}
    figure.legend(shown.values(), shown, loc="outside lower center", ncols=4, fontsize=9.5)
    return figure


@styled
def step_curves(curves: pd.DataFrame, steps: pd.DataFrame) -> Figure:
    """Draw the loss on train over the steps (thin: every seed; thick: mean), on val as a point where each epoch ends.

    curves, steps: curves_by_step and steps of an Evaluation. The loss is on a logarithm that both models share.
    """
    models = [m for m in MODEL_COLORS if m in set(curves["model"])]
    curves, steps = (t.assign(**{n: t[n].clip(LEAST)}) for t, n in ((curves, "val_loss"), (steps, "train_loss")))
    figure, axes = canvas(3.3, 1, len(models), sharey=True)
    for axis, model in zip(axes[0], models, strict=True):
        table, ends = (frame[frame["model"] == model] for frame in (steps, curves))
        wide = table.pivot(index="step", columns="seed", values="train_loss")
        _seeds(axis, wide, "train, mean of seeds", color=PART_COLORS["train"], widths=(0.7, 1.5), alpha=0.4)
        axis.plot(
            ends["step"], ends["val_loss"], "o", color=PART_COLORS["val"], ms=3.6, mew=0, alpha=0.75, zorder=3,
            label="val, after each epoch, every seed",
        )  # fmt: skip
        axis.set(title=model, xlabel="step", yscale="log", xlim=(0, 1.02 * table["step"].max()))
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        n_steps = ends["step"].iloc[0] / ends["epoch"].iloc[0]  # of an epoch: the same for every seed
        above = axis.secondary_xaxis("top", functions=(lambda x, n=n_steps: x / n, lambda x, n=n_steps: x * n))
        above.set_xlabel("epoch", fontsize=9)
        above.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        above.tick_params(labelsize=9)
    first = axes[0, 0]
    first.set_ylabel("loss (log)")
    low, high = first.get_ylim()
    first.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,), numticks=30))
    first.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    first.yaxis.set_minor_formatter(NullFormatter())
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9.5)
    return figure


def _seeds(
    axis: Axes, wide: pd.DataFrame, label: str, *, color: str, widths: tuple[float, float], alpha: float
) -> None:
    """Draw each column, a seed, and their mean up to where the first seed stops; a mean of fewer would jump."""
    axis.plot(wide.index, wide.to_numpy(), color=color, lw=widths[0], alpha=alpha)
    together = wide.dropna()
    axis.plot(together.index, together.mean(axis=1), label=label, color=color, lw=widths[1])


SECTION = Section(order=50, title="Learning curves", context=context, figures=draw)
