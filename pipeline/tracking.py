"""The bridge to MLflow: one run per study, one child run per trial, written by the coordinator alone."""

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported

from mlflow import MlflowClient
from mlflow.entities import Dataset as DatasetEntity
from mlflow.entities import DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from pipeline.config import Flat
from pipeline.errors import PipelineError
from pipeline.files import locked
from pipeline.training import Epoch

logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # table creation is no news to the user

STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED", "interrupted": "KILLED"}


class Tracker:
    """Runs of one study. Metrics of an epoch go in one batch; the step is the epoch."""

    def __init__(self, root: Path, uri: str | None, dataset: str, study: str, tags: Mapping[str, Any]) -> None:
        """Opens or creates the database at `root` (or asks the server at `uri`) and the study's run."""
        root = root.resolve()
        try:
            # processes that create the database together would damage it
            with locked(root / ".state" / "mlflow.lock", "the tracking database", wait=True):
                self._client = MlflowClient(uri or f"sqlite:///{root / 'mlflow.db'}")
                found = self._client.get_experiment_by_name(dataset)
                self.experiment_id: str = (
                    found.experiment_id
                    if found
                    else self._client.create_experiment(dataset, None if uri else (root / "mlartifacts").as_uri())
                )
        except MlflowException as error:
            where = uri or root / "mlflow.db"
            raise PipelineError(f"MLflow at {where} cannot be used: {error}; check search.tracking_uri") from error
        self._tags = {key: str(value) for key, value in tags.items()} | {"study": study, "dataset": dataset}
        filter_string = f"tags.study = '{study}' and tags.role = 'study'"
        runs = self._client.search_runs([self.experiment_id], filter_string, max_results=1)
        if runs:
            self.run_id: str = runs[0].info.run_id
            self._client.update_run(self.run_id, status="RUNNING")
            self._client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in self._tags.items()])
        else:
            self.run_id = self._start(study, {**self._tags, "role": "study"})

    def _start(self, name: str, tags: Mapping[str, str]) -> str:
        run = self._client.create_run(self.experiment_id, run_name=name, tags=dict(tags))
        return str(run.info.run_id)

    def log_data(self, name: str, digest: str, source: str, part: str) -> None:
        """Names the data set of the study, by a digest of at most 36 characters (MLflow's limit)."""
        dataset = DatasetEntity(name, digest[:36], "local", source)
        self._client.log_inputs(self.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", part)])])

    def start(self, name: str, role: str, params: Flat, seed: int) -> str:
        """Starts a child run with the study's tags, since filters ignore nesting. Returns its id."""
        run_id = self._start(name, {**self._tags, "role": role, "mlflow.parentRunId": self.run_id, "seed": str(seed)})
        self._client.log_batch(run_id, params=[Param(key, str(value)) for key, value in params.items()])
        return run_id

    def log_epoch(self, run_id: str, epoch: Epoch) -> None:
        now = _now_ms()
        values = {key: value for key, value in asdict(epoch).items() if key != "epoch"}
        self._client.log_batch(run_id, [Metric(key, value, now, epoch.epoch) for key, value in values.items()])

    def log_study(self, metrics: Mapping[str, float], step: int) -> None:
        now = _now_ms()
        self._client.log_batch(self.run_id, [Metric(key, value, now, step) for key, value in metrics.items()])

    def finish(self, run_id: str, state: str, metrics: Mapping[str, float], reason: str = "") -> None:
        """Closes a run as `complete`, `pruned`, `failed` or `interrupted`."""
        now = _now_ms()
        tags = [RunTag("state", state), *([RunTag("reason", reason)] if reason else [])]
        self._client.log_batch(run_id, [Metric(key, value, now, 0) for key, value in metrics.items()], tags=tags)
        self._client.set_terminated(run_id, STATUS[state])

    def open_runs(self) -> list[str]:
        """Child runs that are still RUNNING; after a crash, those that nobody will close."""
        filter_string = f"tags.`mlflow.parentRunId` = '{self.run_id}' and attributes.status = 'RUNNING'"
        runs = self._client.search_runs([self.experiment_id], filter_string, max_results=1000)
        return [run.info.run_id for run in runs]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
