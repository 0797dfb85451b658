"""The samplers and pruners that an experiment may name: one class each in `samplers/` and `pruners/`.

A class holds the settings that an experiment file writes and makes Optuna's object from them. Files are found
automatically; the default of the field `name` is the name in an experiment file.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from pydantic import Field

from pipeline.artifacts.configuration import Configuration
from pipeline.core.registry import import_modules
from pipeline.core.yaml_document import Integer, Number, Scalar, Strict
from pipeline.experiment.space import SearchParameter

# Optuna's steps are whole numbers: here shares of a trial's epochs, so that schedules of different length are
# compared at equal progress.
WHOLE = 10_000
STRIDE = 65_537  # points of a sequence to the one that replaces a refused one; odd: powers of 2 meet one interval

StartupTrials = Annotated[Integer, Field(ge=0, description="random trials before the sampler starts to learn")]
FirstRung = Annotated[Number, Field(ge=0.001, lt=1, description="share of its epochs at the first decision")]
ReductionFactor = Annotated[Integer, Field(ge=2, description="1 in this many trials passes each rung")]


@dataclass(frozen=True)
class SamplingRequest:
    """What a sampler fills, apart from the trials that it may learn from."""

    fixed: Configuration
    space: tuple[SearchParameter, ...]
    index: int  # 0 for the first trial that the sampler fills
    seed: int  # of this trial alone
    study_seed: int  # the same for all trials of a study
    stratify: str  # key of the families
    families: tuple[Scalar, ...]  # its values
    skipped: int = 0  # draws for this trial that the limit of cost refused


class Sampler(Strict, ABC):
    """Settings of a sampler."""

    name: str
    learns: ClassVar[bool] = True  # looks at earlier trials
    exhaustive: ClassVar[bool] = False  # tries every combination once, so each parameter needs a finite set of values

    @abstractmethod
    def make(self, request: SamplingRequest) -> BaseSampler:
        """Return the sampler of one trial; its draws depend on the request and the study alone."""

    def n_independent(self, n_families: int) -> float:
        """Return how many draws, from the first, depend on no other trial."""
        return 0 if self.learns else math.inf

    def family(self, index: int, families: Sequence[Scalar]) -> Scalar | None:
        """Return the family of a draw, whose earlier trials alone it learns from; None if draws choose among all."""
        return None

    def drawn_by(self, index: int, n_families: int) -> str:
        """Return the name of the rule that makes a draw. index: 0 for the first."""
        return self.name


class Pruner(Strict, ABC):
    """Settings of a pruner."""

    name: str

    @abstractmethod
    def make(self) -> BasePruner:
        """Return the pruner; a step is `WHOLE` times the share of a trial's epochs."""


def samplers() -> dict[str, type[Sampler]]:
    """Return all samplers by name."""
    import_modules("pipeline.experiment.samplers")
    return {_name(kind): kind for kind in sorted(Sampler.__subclasses__(), key=_name)}


def pruners() -> dict[str, type[Pruner]]:
    """Return all pruners by name."""
    import_modules("pipeline.experiment.pruners")
    return {_name(kind): kind for kind in sorted(Pruner.__subclasses__(), key=_name)}


def _name(kind: type[Strict]) -> str:
    return str(kind.model_fields["name"].default)
