"""Learning curves of the retrained models."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from pipeline.report.drawing import MODEL_COLORS, PART_COLORS, canvas, styled

LEAST = 1e-7  # loss on a logarithm; float32 cannot separate a smaller one from 0


@styled
def learning_curves(
    curves: pd.DataFrame,
    best_epochs: Mapping[str, Sequence[int]],
    overfitting: Mapping[str, Mapping[int, int | None]],
) -> Figure:
    """Draw every seed (thin) and their mean (thick), the epochs kept (ticks) and where over-fitting starts (circles).

    curves: those of an Evaluation. overfitting: model -> seed -> epoch.
    """
    models = [m for m in MODEL_COLORS if m in set(curves["model"])]
    figure, axes = canvas(2.7 * len(models) + 0.3, len(models), 2, sharex="row")
    for row, model in zip(axes, models, strict=True):
        table = curves[curves["model"] == model]
        starts = {seed: epoch for seed, epoch in overfitting[model].items() if epoch is not None}
        for axis, (measure, label) in zip(row, (("loss", "loss"), ("macro_f1", "macro F1")), strict=True):
            for part in ("train", "val"):
                column, color = f"{part}_{measure}", PART_COLORS[part]
                wide = table.pivot(index="epoch", columns="seed", values=column)
                axis.plot(wide.index, wide.to_numpy(), color=color, lw=0.8, alpha=0.45)
                _mean(axis, wide, part, color=color, lw=2.2)
            if starts:  # on the curves of val, which are drawn last
                y = [wide.loc[epoch, seed] for seed, epoch in starts.items()]
                axis.plot(
                    list(starts.values()), y, "o", mfc="white", mec="black", mew=1.4, ms=6.5, ls="none",
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
        axis.plot(wide.index, wide.to_numpy(), color=PART_COLORS["train"], lw=0.7, alpha=0.4)
        _mean(axis, wide, "train, mean of seeds", color=PART_COLORS["train"], lw=1.5)
        axis.plot(
            ends["step"], ends["val_loss"], "o", color=PART_COLORS["val"], ms=3.6, mew=0, alpha=0.75, zorder=3,
            label="val, after each epoch, every seed",
        )  # fmt: skip
        axis.set(title=model, xlabel="step", yscale="log")
        axis.set_xlim(0, 1.02 * table["step"].max())
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        n_steps = ends["step"].iloc[0] / ends["epoch"].iloc[0]  # of an epoch: the same for every seed
        above = axis.secondary_xaxis("top", functions=(lambda x, n=n_steps: x / n, lambda x, n=n_steps: x * n))
        above.set_xlabel("epoch", fontsize=9)
        above.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        above.tick_params(labelsize=9)
    axes[0, 0].set_ylabel("loss (log)")
    low, high = axes[0, 0].get_ylim()
    axes[0, 0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,), numticks=30))
    axes[0, 0].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes[0, 0].yaxis.set_minor_formatter(NullFormatter())
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9.5)
    return figure


def _mean(axis: Axes, wide: pd.DataFrame, label: str, **style: Any) -> None:
    """Draw the mean up to where the first seed stops; a mean of fewer would jump. wide: a column per seed."""
    together = wide.dropna()
    axis.plot(together.index, together.mean(axis=1), label=label, **style)
