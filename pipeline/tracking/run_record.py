"""What MLflow should hold, whether it can be reached or not: a run per study, and a child run per training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow.entities import Metric

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.samples import DataSource
from pipeline.tracking.roles import Role


@dataclass(frozen=True)
class Outcome:
    """The end of a run. state: complete, pruned, failed or interrupted."""

    state: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class RungPoint:
    """A configuration at one rung of a search: in MLflow, a point whose step is the rung."""

    rung: int
    rung_score: float  # on val, mean over the seeds
    share: float  # of the configuration's steps
    steps: int
    rung_seconds: float  # of training, all seeds


def seconds_of(point: Epoch | RungPoint) -> float:
    """Return the seconds of training of an epoch or a rung."""
    return point.rung_seconds if isinstance(point, RungPoint) else point.seconds


@dataclass
class Written:
    """What MLflow has of a run."""

    run_id: str = ""
    n: int | None = None  # epochs of a training, metrics of a study; None: not even the parameters
    closed: bool = False


@dataclass
class RunRecord:
    """A child run. Name and start distinguish it from the others of its study."""

    name: str
    role: Role
    params: Configuration
    seed: int
    started_ms: int  # since 1970
    epochs: list[Epoch] = field(default_factory=list)
    outcome: Outcome | None = None  # None: in training
    written: Written = field(default_factory=Written)
    rungs: list[RungPoint] = field(default_factory=list)  # instead of epochs, for a trial on rungs
    source: str = ""  # the study that an enqueued configuration comes from

    @property
    def points(self) -> Sequence[Epoch | RungPoint]:
        """Return what the metrics are of."""
        return self.rungs or self.epochs

    def finish(self, state: str, metrics: Mapping[str, float], reason: str = "") -> None:
        """Close the run as `complete`, `pruned`, `failed` or `interrupted`; no epoch may follow."""
        self.outcome = Outcome(state, metrics, reason)


@dataclass(frozen=True)
class StudyRun:
    """The parent run of a study: what it is known by."""

    dataset: str  # names the experiment of MLflow
    name: str
    tags: Mapping[str, Any] = field(default_factory=dict)  # also of every child
    sources: tuple[DataSource, ...] = ()  # its inputs

    @property
    def run_tags(self) -> dict[str, str]:
        """Return the tags of the study and of every child."""
        return {key: str(value) for key, value in self.tags.items()} | {"study": self.name, "dataset": self.dataset}

    @property
    def stage(self) -> str:
        """Return the stage of dvc.yaml that writes, e.g. `search@digits`; empty outside of a stage."""
        return str(self.tags.get("dvc_stage", ""))


@dataclass
class StudyRecord:
    """The parent run of a study: what it holds besides its children."""

    run: StudyRun
    metrics: list[Metric] = field(default_factory=list)
    figures: Path | None = None  # folder; None: nothing to write
    winner: str = ""  # name of the run of the best trial
    outcome: Outcome | None = None
    written: Written = field(default_factory=Written)

    def log(self, key: str, value: float, step: int, *, at_ms: int) -> None:
        """Add a number of the study as a whole. at_ms: when it became known, since 1970."""
        self.metrics.append(Metric(key, value, at_ms, step))
