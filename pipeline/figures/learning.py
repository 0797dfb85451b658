"""Learning curves of the retrained models."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.figures import MODEL_COLORS, PART_COLORS, canvas, styled


@styled
def learning_curves(
    curves: pd.DataFrame,
    best_epochs: Mapping[str, Sequence[int]],
    overfitting: Mapping[str, Mapping[int, int | None]],
) -> Figure:
    """Thin: every seed; thick: their mean; ticks: epochs kept; circles: where over-fitting starts.

    curves: the contract of `evaluate`. overfitting: model -> seed -> epoch.
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
                axis.plot(wide.index, wide.mean(axis=1), color=color, lw=2.2, label=part)
            if starts:  # on the curves of val, which are drawn last
                y = [wide.loc[epoch, seed] for seed, epoch in starts.items()]
                axis.plot(
                    list(starts.values()), y, "o", mfc="white", mec="black", mew=1.4, ms=6.5, ls="none",
                    label="over-fitting starts", zorder=4,
                )  # fmt: skip
            axis.set(title=f"{model}: {label}", xlabel="epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
            axis.plot(
                best_epochs[model], np.zeros(len(best_epochs[model])), "|", color="black", ms=14, mew=1.6,
                transform=axis.get_xaxis_transform(), clip_on=False, label="epoch kept", ls="none",
            )  # fmt: skip
        row[0].legend(fontsize=9)
    return figure
