"""MLflow as a projection of the records: `MlflowStudy.sync` writes what is missing, and repeated it writes nothing.

MLflow is never asked for results. A run is identified by its study, name and start, so that a lost connection, a
killed process or another call writes nothing twice.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset as DatasetEntity
from mlflow.entities import DatasetInput, Experiment, InputTag, Metric, Param, Run, RunTag, ViewType
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from pipeline.artifacts.samples import DataSource
from pipeline.core.errors import PipelineError, TrackingError, first_line
from pipeline.core.files import locked
from pipeline.tracking.database import artifact_location, open_client, shown_address
from pipeline.tracking.roles import Role
from pipeline.tracking.run_record import Outcome, RunRecord, StudyRecord, Written, seconds_of

os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # a failed write is checked and repeated later
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

for name in ("mlflow.store.db.utils", "mlflow.system_metrics.system_metrics_monitor"):
    logging.getLogger(name).setLevel(logging.WARNING)  # users need not know of created tables and ended threads

_log = logging.getLogger(__name__)
_ours = logging.getLogger(__name__.partition(".")[0])  # importing mlflow.pytorch silences the root logger
_ours.propagate = False
_ours.setLevel(logging.WARNING)
_ours.addHandler(logging.lastResort or logging.StreamHandler())

STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED", "interrupted": "KILLED"}
TRAINING = "workflowType=machine_learning"  # in an address; without it MLflow opens its pages on language models
UNREACHABLE = (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, TrackingError)


class MlflowStudy:
    """A study in MLflow. root: where mlflow.db lies unless `uri` names a server.

    restores: whether a deleted experiment is restored; otherwise it is an error, since a user deleted it.
    """

    def __init__(self, root: Path, uri: str | None, study: StudyRecord, *, restores: bool = False) -> None:
        self.root, self.uri, self.study = root.resolve(), uri, study
        self.restores = restores
        self.experiment_id = ""  # empty until MLflow was reached
        self._client: MlflowClient | None = None

    def sync(self, records: Iterable[RunRecord]) -> None:
        """Make MLflow equal to the records: write what it lacks of the study and its runs.

        Raises one of UNREACHABLE; the next call looks up what was written before and writes the rest.
        """
        children = list(records)
        try:
            client = self._client or self._connect(children)
            self._write_study(client)
            for record in children:
                if not record.written.closed:
                    self._write_run(client, record)
            self._close_study(client)
            self._client = client
        except UNREACHABLE:
            self._client = None
            raise

    def _write_study(self, client: MlflowClient) -> None:
        study, written = self.study, self.study.written
        if metrics := study.metrics[written.n or 0 :]:
            client.log_batch(written.run_id, metrics)
            written.n = (written.n or 0) + len(metrics)
        if study.figures:
            client.log_artifacts(written.run_id, str(study.figures), "figures")
            study.figures = None

    def _close_study(self, client: MlflowClient) -> None:
        study = self.study
        if not study.outcome or study.written.closed:
            return
        if study.winner:
            client.set_tag(study.written.run_id, "winner", study.winner)
        _close(client, study.written.run_id, study.outcome)
        study.written.closed = True

    def _write_run(self, client: MlflowClient, record: RunRecord) -> None:
        written = record.written
        if not written.run_id:
            own = {"role": str(record.role), "mlflow.parentRunId": self.study.written.run_id, "seed": str(record.seed)}
            source = {"enqueued_from": record.source} if record.source else {}
            run_tags = {**self.study.run.run_tags, **own, **source}
            run = client.create_run(self.experiment_id, record.started_ms, run_tags, record.name)
            written.run_id = str(run.info.run_id)
        outcome, n = record.outcome, len(record.points)  # in this order: a closed record has all its points
        # an epoch has the same time whenever it is written, so that no value is there twice
        seconds = accumulate((seconds_of(point) for point in record.points[:n]), initial=0.0)
        at_ms = [record.started_ms + round(1000 * s) for s in seconds]
        metrics: list[Metric] = []
        n_before = written.n or 0
        for point, ended_ms in zip(record.points[n_before:n], at_ms[n_before + 1 :], strict=True):
            values = dict(vars(point))
            step = values.pop("epoch" if "epoch" in values else "rung")
            metrics += [Metric(key, float(v), ended_ms, step) for key, v in values.items() if v is not None]
        # also if the process was killed between the run and its parameters; MLflow accepts equal ones again
        params = [Param(key, str(value)) for key, value in record.params.items()] if written.n is None else []
        tags = _tags(outcome) if outcome else []
        if outcome:
            metrics += [Metric(key, value, at_ms[-1], 0) for key, value in outcome.metrics.items()]
        if metrics or params or tags:
            client.log_batch(written.run_id, metrics, params, tags)
        if outcome:
            client.set_terminated(written.run_id, STATUS[outcome.state], at_ms[-1])
        written.n, written.closed = n, bool(outcome)

    def _connect(self, records: list[RunRecord]) -> MlflowClient:
        """Open the study, created if it is new, and look up which runs of the records are there."""
        run = self.study.run
        client = open_client(self.root, self.uri)
        with locked(self.root / ".state" / "mlflow.lock", "the tracking database", wait=True):
            known = client.get_experiment_by_name(run.dataset)
            if not known:
                artifacts = None if self.uri else artifact_location(self.root)
                self.experiment_id = client.create_experiment(run.dataset, artifacts)
            else:
                self.experiment_id = known.experiment_id
                self._restore(client, known)
        self._open_study(client)
        client.log_inputs(self.study.written.run_id, [_input(source) for source in run.sources])
        self._look_up(client, records)
        return client

    def _restore(self, client: MlflowClient, experiment: Experiment) -> None:
        """Restore the experiment if it was deleted. Raises TrackingError unless `restores`."""
        if experiment.lifecycle_stage == "active":
            return
        if not self.restores:
            restore = f"mlflow experiments restore --experiment-id {experiment.experiment_id}"
            by_hand = with_address(restore, self.root, self.uri)
            name = str(self.study.run.tags.get("experiment", "")) or self.study.run.name.partition("@")[0]
            ways = f"to restore it: python -m pipeline publish {name}, or only: {by_hand}"
            raise TrackingError(f"the experiment {experiment.name} was deleted in MLflow; {ways}")
        client.restore_experiment(experiment.experiment_id)
        _log.warning("the experiment %s was deleted in MLflow and is restored with its runs", experiment.name)

    def _open_study(self, client: MlflowClient) -> None:
        run, written = self.study.run, self.study.written
        written.closed = False
        query = f"tags.study = '{run.name}' and tags.role = '{Role.STUDY}'"
        known = client.search_runs([self.experiment_id], query, max_results=1)
        if not known:
            self._warn_of_deleted(client.search_runs([self.experiment_id], query, ViewType.DELETED_ONLY))
            written.n = None
            own = {**run.run_tags, "role": str(Role.STUDY)}
            written.run_id = client.create_run(self.experiment_id, tags=own, run_name=run.name).info.run_id
            return
        written.run_id, tags = known[0].info.run_id, known[0].data.tags
        client.update_run(written.run_id, status="RUNNING")
        if "reason" in tags:  # of an earlier end
            client.delete_tag(written.run_id, "reason")
        if tags.get("dvc_stage", "") == run.stage:  # an evaluation keeps the tags of the search
            client.log_batch(written.run_id, tags=[RunTag(key, value) for key, value in run.run_tags.items()])

    def _look_up(self, client: MlflowClient, records: list[RunRecord]) -> None:
        """Find the runs of the records; an open run of this stage without a record is from a crash."""
        known = {(record.name, record.started_ms): record for record in records}
        there: set[str] = set()
        for run in self._children(client, ViewType.ACTIVE_ONLY):
            there.add(run.info.run_id)
            if run.data.tags.get("mlflow.parentRunId") != self.study.written.run_id:  # a deleted one of the same study
                client.set_tag(run.info.run_id, "mlflow.parentRunId", self.study.written.run_id)
            record = known.get(_key(run))
            if record and record.written.run_id in ("", run.info.run_id):  # another one: its creation seemed to fail
                record.written.run_id = run.info.run_id
                state = record.outcome.state if record.outcome else ""
                is_closed = run.info.status == STATUS.get(state) and run.data.tags.get("state") == state
                record.written.closed = is_closed
            elif run.info.status == "RUNNING" and run.data.tags.get("dvc_stage", "") == self.study.run.stage:
                _close(client, run.info.run_id, Outcome("interrupted"))
        missing = {key for key, record in known.items() if record.written.run_id not in there}
        for key in missing:  # of no run yet, or of one that was deleted
            known[key].written = Written()
        deleted = [run for run in self._children(client, ViewType.DELETED_ONLY) if _key(run) in missing]
        self._warn_of_deleted(deleted)

    def _warn_of_deleted(self, deleted: list[Run]) -> None:
        """Log that deleted runs are written again, and how to get the deleted ones."""
        if deleted:
            restore = with_address(f"mlflow runs restore --run-id {deleted[0].info.run_id}", self.root, self.uri)
            names = ", ".join(run.info.run_name for run in deleted[:3]) + (", …" if len(deleted) > 3 else "")
            text = "%d runs of %s (%s) were deleted in MLflow and are written again; to restore a deleted one: %s"
            _log.warning(text, len(deleted), self.study.run.name, names, restore)

    def _children(self, client: MlflowClient, view: int) -> Iterator[Run]:
        """Yield the runs of the study but the study itself; not by parent, which may have been deleted."""
        for run in search_runs(client, self.experiment_id, f"tags.study = '{self.study.run.name}'", view):
            if run.data.tags.get("role") != Role.STUDY:
                yield run


def search_runs(
    client: MlflowClient, experiment_id: str, query: str, view: int = ViewType.ACTIVE_ONLY
) -> Iterator[Run]:
    """Yield all runs of an experiment that a filter selects. view: whether deleted ones count."""
    token = None
    while token != "":
        page = client.search_runs([experiment_id], query, run_view_type=view, page_token=token)
        yield from page
        token = page.token or ""


def with_address(command: str, root: Path, uri: str | None) -> str:
    """Return a command of `mlflow` as it is typed in the folder of the project."""
    return f"MLFLOW_TRACKING_URI={shown_address(root, uri) if uri else 'sqlite:///mlflow.db'} {command}"


def write_runs(root: Path, uri: str | None, study: StudyRecord, records: Iterable[RunRecord]) -> None:
    """Write a finished study at once. Raises PipelineError if MLflow is unreachable."""
    try:
        MlflowStudy(root, uri, study, restores=True).sync(records)
    except UNREACHABLE as error:
        reason = f"MLflow is unreachable: {first_line(error)}"
        raise PipelineError(f"{reason}; run publish again later; runs that are there are not repeated") from error


def _close(client: MlflowClient, run_id: str, outcome: Outcome) -> None:
    client.log_batch(run_id, tags=_tags(outcome))
    client.set_terminated(run_id, STATUS[outcome.state])


def _tags(outcome: Outcome) -> list[RunTag]:
    return [RunTag("state", outcome.state), *([RunTag("reason", outcome.reason)] if outcome.reason else [])]


def _input(source: DataSource) -> DatasetInput:
    """Return one part of the data with its own digest, which MLflow limits to 36 characters."""
    entity = DatasetEntity(source.dataset, source.digest[:36], "local", source.url)
    return DatasetInput(entity, [InputTag("mlflow.data.context", source.part)])


def _key(run: Run) -> tuple[str, int]:
    return run.info.run_name, run.info.start_time


def now_ms() -> int:
    """Return the milliseconds since 1970."""
    return time.time_ns() // 1_000_000
