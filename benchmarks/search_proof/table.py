"""Scores of configurations at every length under several seeds, as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artifacts.configuration import Configuration
from pipeline.core.errors import InputError
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.fidelity import Fidelity
from pipeline.statistics.robust_regression import Array

Kind = Literal["whole", "prefix", "images"]
FULL = 1.0
COLUMNS = ["slot", "seed", "kind", "repeat", "share", "score", "seconds"]
MIN_CONFIGURATIONS = 8


@dataclass(frozen=True, eq=False)  # compared by identity: parts of it are cached
class TruthTable:
    """N configurations by slot, each trained under S seeds. rows: COLUMNS; the score is NaN after divergence."""

    experiment: Experiment
    configs: Mapping[int, Configuration]  # by slot
    rows: pd.DataFrame
    n_val: int  # units

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        configs: Mapping[int, Configuration],
        rows: pd.DataFrame,
        *,
        n_val: int,
        per_seed: int,
    ) -> "TruthTable":
        """Return the configurations that are complete under the same seeds: all that are, but at least two.

        per_seed: rows of a complete configuration. Raises InputError if fewer than MIN_CONFIGURATIONS are complete.
        """
        seeds = range(int(rows["seed"].max()) + 1 if len(rows) else 0)
        counts = rows.groupby(["slot", "seed"]).size().unstack().reindex(index=list(configs), columns=seeds)
        is_complete = counts.to_numpy() == per_seed
        n_seeds = max(2, int(is_complete.all(axis=0).cumprod().sum()))
        kept = [slot for slot, row in zip(configs, is_complete, strict=True) if row[:n_seeds].sum() == n_seeds]
        if len(kept) < MIN_CONFIGURATIONS:
            rule = f"{MIN_CONFIGURATIONS} configurations must be trained under {n_seeds} seeds"
            raise InputError(f"{rule}, but {len(kept)} are; continue the training")
        of_kept = rows[rows["slot"].isin(kept) & (rows["seed"] < n_seeds)]
        return cls(experiment, {slot: configs[slot] for slot in kept}, of_kept, n_val)

    @property
    def n(self) -> int:
        return len(self.configs)

    @cached_property
    def n_seeds(self) -> int:
        return int(self.rows["seed"].nunique())

    @property
    def fidelity(self) -> Fidelity:
        assert self.experiment.fidelity
        return self.experiment.fidelity

    @property
    def shares(self) -> list[float]:
        """Return the shares of the rungs below the full length."""
        return [rung.share for rung in self.fidelity.rungs if rung.share < FULL]

    @cached_property
    def families(self) -> NDArray[Any]:
        """Return (N,)."""
        return np.array([config[self.fidelity.stratify] for config in self.configs.values()], dtype=object)

    def scores(self, kind: Kind, share: float, repeat: int = 0) -> Array:
        """Return (N, S), NaN after divergence."""
        return self._cells["score", kind, share, repeat]

    def seconds(self, kind: Kind, share: float, repeat: int = 0) -> Array:
        """Return (N, S), from the start of the training."""
        return self._cells["seconds", kind, share, repeat]

    @cached_property
    def truth(self) -> Array:
        """Return (N, S): the mean score at full length over all seeds but this one, 0 for one that diverged."""
        full = np.nan_to_num(self.scores("whole", FULL))
        return np.asarray((full.sum(axis=1, keepdims=True) - full) / (self.n_seeds - 1))

    @cached_property
    def _cells(self) -> dict[tuple[Any, ...], Array]:
        out: dict[tuple[Any, ...], Array] = {}
        for (kind, share, repeat), rows in self.rows.groupby(["kind", "share", "repeat"]):
            for name in ("score", "seconds"):
                wide = rows.pivot_table(index="slot", columns="seed", values=name, dropna=False)
                out[name, kind, share, repeat] = wide.reindex(list(self.configs)).to_numpy(dtype=float)
        return out
