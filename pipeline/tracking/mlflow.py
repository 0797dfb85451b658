"""The bridge to MLflow: one run per study, one child run per trial.

MLflow shows what the study knows and is never asked for it. Every run has a `Record`; a thread keeps MLflow equal to
the records, so that neither a slow database nor a server that is away holds up a training. What could not be written
is written when the server is back, or at the next start, once: a run is known by its study, name and start.
"""

import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from itertools import accumulate
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset as DatasetEntity
from mlflow.entities import DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from sqlalchemy.exc import SQLAlchemyError

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import DataSource
from pipeline.core.errors import PipelineError, first_line
from pipeline.core.files import locked
from pipeline.tracking.run_record import RunRecord, StudyRun
from pipeline.tracking.sqlite import address, create_database

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # all four are read when mlflow is imported
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # what failed is looked up and sent again later
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

for name in ("mlflow.store.db.utils", "mlflow.system_metrics.system_metrics_monitor"):
    logging.getLogger(name).setLevel(logging.WARNING)  # that tables are made and a thread ends is no news to the user

STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED", "interrupted": "KILLED"}
WRITE_EVERY_S = 1.0
RETRY_AFTER_S = 30.0
AWAY = (MlflowException, SQLAlchemyError, OSError)

_log = logging.getLogger(__name__)


class Tracker:
    """Runs of one study. What is logged is written behind the caller's back; leaving the context waits for it."""

    def __init__(self, root: Path, uri: str | None, study: StudyRun, earlier: Iterable[RunRecord] = ()) -> None:
        """root: where mlflow.db stands unless a server is named by `uri`.

        earlier: what an earlier process has trained; what MLflow lacks of it is written.
        """
        self._root, self._uri, self._study = root.resolve(), uri, study
        given = {key: str(value) for key, value in study.tags.items()}
        self._tags = given | {"study": study.name, "dataset": study.dataset}
        self._records = list(earlier)
        self.experiment_id, self.run_id = "", ""  # empty while the server is away
        self.is_written = False  # all of it, once the context was left
        self._client: MlflowClient | None = None
        self._of_study: list[Metric] = []
        self._figures: Path | None = None
        self._n_of_study = 0  # of them written
        self._end: tuple[str, str] = "interrupted", ""
        self._winner = ""
        self._closing = threading.Event()
        self._resources = ExitStack()
        self._thread = threading.Thread(target=self._write_on, name="mlflow", daemon=True)

    def __enter__(self) -> "Tracker":
        """Raises PipelineError if the database cannot be used; a server that is away is waited for."""
        try:
            self._write()
        except AWAY as error:
            if not self._uri or not self._uri.startswith("http"):
                where = self._uri or self._root / "mlflow.db"
                reason = first_line(error)
                raise PipelineError(f"MLflow at {where} cannot be used: {reason}; check search.tracking_uri") from error
            self._away(error)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._thread.join()
        try:
            self._write()
            assert self._client
            state, reason = self._end
            if self._winner:
                self._client.set_tag(self.run_id, "winner", self._winner)
            self._close(self.run_id, state, reason, _now_ms())
            self.is_written = True
        except AWAY as failure:
            self._away(failure)
        self._resources.close()

    def start(self, name: str, role: str, params: Configuration, seed: int, started_ms: int | None = None) -> RunRecord:
        """Starts a child run; it is written as its record is filled."""
        record = RunRecord(name, role, params, seed, started_ms or _now_ms())
        self._records.append(record)
        return record

    def log_study(self, metrics: Mapping[str, float], step: int, at_ms: int) -> None:
        """at_ms: when it came true, in milliseconds since 1970; the same logged twice is there once."""
        self._of_study.extend([Metric(key, value, at_ms, step) for key, value in metrics.items()])

    def log_figures(self, folder: Path) -> None:
        """Puts the files of the folder under `figures` of the study."""
        self._figures = folder

    def run_ids(self) -> dict[str, str]:
        """Name -> id of the runs that MLflow has."""
        return {record.name: record.run_id for record in self._records if record.run_id}

    def end(self, state: str, reason: str = "", winner: str = "") -> None:
        """How the study's own run is closed when the context is left; else as interrupted. winner: name of its run."""
        self._end, self._winner = (state, reason), winner

    def _write_on(self) -> None:
        pause = WRITE_EVERY_S
        while not self._closing.wait(pause):
            try:
                self._write()
                pause = WRITE_EVERY_S
            except AWAY as error:
                self._away(error)
                pause = RETRY_AFTER_S

    def _away(self, error: Exception) -> None:
        self._client = None
        self._resources.close()
        why = "MLflow cannot be reached; it is tried again, at the latest when `python -m pipeline %s` runs: %s"
        _log.warning(why, self._tags.get("dvc_stage", "search").replace("@", " "), first_line(error))

    def _write(self) -> None:
        """Makes MLflow equal to the records. Raises MlflowException or OSError."""
        client = self._client or self._connect()
        if waiting := self._of_study[self._n_of_study :]:
            client.log_batch(self.run_id, metrics=waiting)
            self._n_of_study += len(waiting)
        for record in [record for record in self._records if not record.closed]:
            self._write_record(client, record)
        if self._figures:
            client.log_artifacts(self.run_id, str(self._figures), "figures")
            self._figures = None

    def _write_record(self, client: MlflowClient, record: RunRecord) -> None:
        if not record.run_id:
            tags = {**self._tags, "role": record.role, "mlflow.parentRunId": self.run_id, "seed": str(record.seed)}
            run = client.create_run(self.experiment_id, record.started_ms, tags, record.name)
            record.run_id = str(run.info.run_id)
        state, n = record.state, len(record.epochs)  # in this order: all epochs of a closed record are there
        # when each epoch ended: the same whenever it is written, so that no value is there twice
        seconds = accumulate((epoch.seconds for epoch in record.epochs[:n]), initial=0.0)
        at_ms = [record.started_ms + round(1000 * s) for s in seconds]
        metrics = []
        n_before = record.n_written or 0
        for epoch, ended_ms in zip(record.epochs[n_before:n], at_ms[n_before + 1 :], strict=True):
            values = dict(vars(epoch))
            step = values.pop("epoch")
            metrics += [Metric(key, float(v), ended_ms, step) for key, v in values.items() if v is not None]
        # also where a kill came between the run and its parameters; twice the same is once
        params = [Param(key, str(value)) for key, value in record.params.items()] if record.n_written is None else []
        if state:
            metrics += [Metric(key, value, at_ms[-1], 0) for key, value in record.metrics.items()]
            self._close(record.run_id, state, record.reason, at_ms[-1], metrics, params)
        elif metrics or params:
            client.log_batch(record.run_id, metrics, params)
        record.n_written, record.closed = n, bool(state)

    def _close(
        self,
        run_id: str,
        state: str,
        reason: str,
        at_ms: int,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
    ) -> None:
        assert self._client
        tags = [RunTag("state", state), *([RunTag("reason", reason)] if reason else [])]
        self._client.log_batch(run_id, metrics, params, tags)
        self._client.set_terminated(run_id, STATUS[state], at_ms)

    def _connect(self) -> MlflowClient:
        uri = address(self._root, self._uri)
        # processes that create the database together would damage it
        with locked(self._root / ".state" / "mlflow.lock", "the tracking database", wait=True):
            if not self._uri:
                create_database(self._root)
            client = MlflowClient(uri)
            dataset, artifacts = self._study.dataset, None if self._uri else (self._root / "mlartifacts").as_uri()
            found = client.get_experiment_by_name(dataset)
            self.experiment_id = found.experiment_id if found else client.create_experiment(dataset, artifacts)
        of_study = f"tags.study = '{self._study.name}' and tags.role = 'study'"
        runs = client.search_runs([self.experiment_id], of_study, max_results=1)
        if runs:
            self.run_id, found_tags = runs[0].info.run_id, runs[0].data.tags
            client.update_run(self.run_id, status="RUNNING")
            if "reason" in found_tags:  # of an earlier end
                client.delete_tag(self.run_id, "reason")
            if found_tags.get("dvc_stage") == self._tags.get("dvc_stage"):  # an evaluation leaves those of the search
                client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in self._tags.items()])
        else:
            run = client.create_run(self.experiment_id, tags={**self._tags, "role": "study"}, run_name=self._study.name)
            self.run_id = run.info.run_id
        client.log_inputs(self.run_id, [_input(source) for source in self._study.sources])
        self._compare(client)
        monitor_class: Any = SystemMetricsMonitor  # untyped
        monitor = monitor_class(self.run_id, resume_logging=True, tracking_uri=uri)
        monitor.start()
        self._resources.callback(monitor.finish)
        self._client = client
        return client

    def _compare(self, client: MlflowClient) -> None:
        """Finds the runs of the records; a run that is open and has none was left by a crash."""
        known = {(record.name, record.started_ms): record for record in self._records}
        token = None
        while token != "":
            children = f"tags.`mlflow.parentRunId` = '{self.run_id}'"
            runs = client.search_runs([self.experiment_id], children, page_token=token)
            for run in runs:
                record = known.get((run.info.run_name, run.info.start_time))
                if record and record.run_id in ("", run.info.run_id):  # a second one is of a call that seemed to fail
                    record.run_id = run.info.run_id
                    is_closed = record.state is not None and run.info.status == STATUS[record.state]
                    record.closed = is_closed and run.data.tags.get("state") == record.state
                elif run.info.status == "RUNNING" and run.data.tags.get("dvc_stage") == self._tags.get("dvc_stage"):
                    client.log_batch(run.info.run_id, tags=[RunTag("state", "interrupted")])
                    client.set_terminated(run.info.run_id, STATUS["interrupted"])
            token = runs.token or ""


def _input(source: DataSource) -> DatasetInput:
    """One part of the data with its own digest, of which MLflow takes 36 characters."""
    entity = DatasetEntity(source.dataset, source.digest[:36], "local", source.url)
    return DatasetInput(entity, [InputTag("mlflow.data.context", source.part)])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
