"""What a run should hold in MLflow, whether it can be reached or not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.samples import DataSource


@dataclass
class RunRecord:
    """One child run as it should stand in MLflow. Name and start tell it from the others of its study."""

    name: str
    role: str
    params: Configuration
    seed: int
    started_ms: int
    epochs: list[Epoch] = field(default_factory=list)
    state: str | None = None  # None while it is in training
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    # what MLflow has of it
    run_id: str = ""
    n_written: int | None = None  # epochs; None: not even the parameters
    closed: bool = False

    def finish(self, state: str, metrics: Mapping[str, float], reason: str = "") -> None:
        """Closes the run as `complete`, `pruned`, `failed` or `interrupted`."""
        self.metrics, self.reason = metrics, reason
        self.state = state  # last: the writing thread takes it for the sign that all is there


@dataclass(frozen=True)
class StudyRun:
    """The parent run of a study."""

    dataset: str  # names the experiment of MLflow
    name: str
    tags: Mapping[str, Any] = field(default_factory=dict)  # also of every child
    sources: tuple[DataSource, ...] = ()  # its inputs, as Samples.source gives them
