"""Where and how trainings run: section `search` of params.yaml."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pipeline.core.yaml_document import CountOrAuto, Integer, Number, Strict


class SearchSettings(Strict):
    """Section `search` of params.yaml."""

    executor: Literal["local", "ray"] = Field("local", description="where trials are trained")
    ray_address: str | None = Field(None, description="of a running Ray cluster; null: start one on this machine")
    workers: CountOrAuto = Field(
        1,
        description="trials trained in parallel; auto: the fastest number, measured; on Ray: as many as fit",
    )
    threads: Annotated[Integer, Field(ge=1, description="CPU threads per trial")] = 1
    gpus: Annotated[Number, Field(ge=0, description="share of a GPU per trial on a Ray cluster")] = 0
    reproducible: bool = Field(
        True, description="sample in batches, so that equal seeds give equal trials; false: no worker waits"
    )
    limit_s: Annotated[Number, Field(gt=0)] | None = Field(
        None, description="seconds after which a trial fails; null: no limit"
    )
    limit_gb: Annotated[Number, Field(gt=0)] | None = Field(
        None, description="GiB of memory beyond which a trial fails; null: no limit"
    )
    tracking_uri: str | None = Field(None, description="MLflow server; null: the file mlflow.db in the repository")


@dataclass(frozen=True)
class Workspace:
    """What survives a crash, and the settings to continue with."""

    root: Path  # of mlflow.db, mlartifacts/ and .state/
    search: SearchSettings = field(default_factory=SearchSettings)

    @property
    def searches(self) -> Path:
        """Return the folder of the studies."""
        return self.root / ".state" / "search"

    @property
    def evaluations(self) -> Path:
        """Return the folder of the retrainings."""
        return self.root / ".state" / "evaluate"
