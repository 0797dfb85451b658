"""The records of a running stage, written to MLflow in the background.

Neither a slow database nor an unreachable server holds up a training.
"""

import logging
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from pipeline.core.errors import PipelineError, TrackingError, first_line
from pipeline.tracking.database import address
from pipeline.tracking.mlflow import UNREACHABLE, MlflowStudy
from pipeline.tracking.run_record import Outcome, RunRecord, StudyRecord, StudyRun

SYNC_EVERY_S = 1.0
RETRY_AFTER_S = 30.0

_log = logging.getLogger(__name__)


class Tracker:
    """The runs of one study while a stage works on it; leaving the context writes the rest."""

    def __init__(self, root: Path, uri: str | None, study: StudyRun, earlier: Iterable[RunRecord] = ()) -> None:
        """root: where mlflow.db lies unless `uri` names a server. earlier: records of earlier processes."""
        self.study = StudyRecord(study)
        self.is_written = False  # everything; known after the context
        self._mlflow = MlflowStudy(root, uri, self.study)
        self._records = list(earlier)
        self._end = Outcome("interrupted")
        self._monitor: Any = None  # of CPU, memory and GPU
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)

    def __enter__(self) -> Self:
        """Raise PipelineError if the database cannot be used; an unreachable server is tried again later."""
        try:
            self._sync()
        except UNREACHABLE as error:
            uri = self._mlflow.uri
            if not isinstance(error, TrackingError) and (not uri or not uri.startswith("http")):
                where, reason = uri or self._mlflow.root / "mlflow.db", first_line(error)
                raise PipelineError(f"MLflow at {where} cannot be used: {reason}; check search.tracking_uri") from error
            self._warn(error)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._thread.join()
        self.study.outcome = self._end
        try:
            self._sync()
            self.is_written = True
        except UNREACHABLE as failure:
            self._warn(failure)
        self._stop_monitor()

    @property
    def experiment_id(self) -> str:
        """Return the id of MLflow's experiment; empty until MLflow was reached."""
        return self._mlflow.experiment_id

    def run_ids(self) -> dict[str, str]:
        """Return name -> id of the runs that MLflow has."""
        return {record.name: record.written.run_id for record in self._records if record.written.run_id}

    def start(self, record: RunRecord) -> RunRecord:
        """Start a child run, which is written as its record fills; return the record."""
        self._records.append(record)
        return record

    def record(self, name: str) -> RunRecord | None:
        """Return the record of a child run, None if there is no such run."""
        return next((record for record in reversed(self._records) if record.name == name), None)

    def end(self, state: str, reason: str = "", winner: str = "") -> None:
        """Set how the study is closed when the context ends, otherwise as interrupted. winner: name of a run."""
        self._end, self.study.winner = Outcome(state, reason=reason), winner

    def _work(self) -> None:
        pause_s = SYNC_EVERY_S
        while not self._closing.wait(pause_s):
            try:
                self._sync()
                pause_s = SYNC_EVERY_S
            except UNREACHABLE as error:
                self._warn(error)
                pause_s = RETRY_AFTER_S

    def _sync(self) -> None:
        self._mlflow.sync(self._records)
        if not self._monitor:
            uri = address(self._mlflow.root, self._mlflow.uri)
            monitor: Any = SystemMetricsMonitor  # untyped
            self._monitor = monitor(self.study.written.run_id, resume_logging=True, tracking_uri=uri)
            self._monitor.start()

    def _warn(self, error: Exception) -> None:
        self._stop_monitor()
        command = f"python -m pipeline {self.study.run.stage.replace('@', ' ') or 'search'}"
        problem = "lacks something" if isinstance(error, TrackingError) else "is unreachable"
        text = "MLflow %s and is tried again, at the latest when `%s` runs: %s"
        _log.warning(text, problem, command, first_line(error))

    def _stop_monitor(self) -> None:
        if self._monitor:
            self._monitor.finish()
            self._monitor = None
