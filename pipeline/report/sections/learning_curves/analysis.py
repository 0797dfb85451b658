"""Where over-fitting starts, and the learning curves as numbers."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

MARGIN = 0.05  # of the least loss on val: Prechelt's generalisation loss of 5 %
MIN_EPOCHS_AFTER = 2  # one epoch above the margin is a wiggle
MILESTONES = 6  # epochs of a training in a table


def overfitting_start(train_loss: ArrayLike, val_loss: ArrayLike) -> int | None:
    """Return the epoch, from 1, after which the loss on val stays more than MARGIN above its minimum.

    None if it comes back, if the loss on train stops falling, or if fewer than MIN_EPOCHS_AFTER epochs follow.
    train_loss, val_loss: (E,) per epoch. Source: the generalisation loss of Prechelt 1998, read from the last epoch.
    """
    train, val = np.asarray(train_loss, dtype=float), np.asarray(val_loss, dtype=float)
    last = int(np.flatnonzero(val <= (1 + MARGIN) * val.min())[-1])
    if val.size - 1 - last < MIN_EPOCHS_AFTER or train[-1] >= train[last]:
        return None
    return last + 1


def overfitting(curves: pd.DataFrame) -> dict[str, dict[int, int | None]]:
    """Return model -> seed -> `overfitting_start`. curves: those of an Evaluation."""
    starts: dict[str, dict[int, int | None]] = {}
    for model, seed in curves[["model", "seed"]].drop_duplicates().itertuples(index=False):
        run = curves[(curves["model"] == model) & (curves["seed"] == seed)].sort_values("epoch")
        starts.setdefault(model, {})[seed] = overfitting_start(run.train_loss, run.val_loss)
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


class Milestone(NamedTuple):
    """The end of a slice of the training; losses are means over the seeds that reached it."""

    model: str
    step: int
    epoch: float
    n_seeds: int
    train_loss: float  # of the slice
    val_loss: float | None  # None before the first epoch ends


def milestones(curves: pd.DataFrame, steps: pd.DataFrame) -> list[Milestone]:
    """Return the first slice of each model, then ends of epochs, evenly on a logarithm.

    curves, steps: curves_by_step and steps of an Evaluation.
    """
    ends = []
    for model, epochs in curves.groupby("model", sort=False):
        n_steps = int(epochs["step"].iloc[0] // epochs["epoch"].iloc[0])  # of an epoch
        slices, last = steps[steps["model"] == model], epochs["epoch"].max()
        shown = [n_steps * int(epoch) for epoch in np.unique(np.rint(np.geomspace(1, last, MILESTONES)))]
        for step in sorted({int(slices["step"].min()), *shown}):
            train, val = (table.loc[table["step"] == step] for table in (slices, epochs))
            val_loss = float(val["val_loss"].mean()) if len(val) else None
            mean = float(train["train_loss"].mean())
            ends.append(Milestone(str(model), step, step / n_steps, len(train), mean, val_loss))
    return ends
