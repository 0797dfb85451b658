"""Where MLflow keeps its data: the database mlflow.db of the project, or a server.

The database is created whole or not at all. MLflow stores the absolute path of every artifact; in a project folder that
was moved, copied or renamed, these paths are corrected before the database is used.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Engine, event

from pipeline.core.files import locked

ARTIFACTS = "mlartifacts"
LOCATIONS = (  # columns that hold absolute paths of artifacts
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)

VARIABLES = (  # of a shell; they would send runs and models elsewhere
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_RUN_ID",
    "MLFLOW_ACTIVE_MODEL_ID",
)


def address(root: Path, uri: str | None) -> str:
    """Return the address of the server, or of the database below `root`."""
    return uri or f"sqlite:///{root.resolve() / 'mlflow.db'}"


def shown_address(root: Path, uri: str | None) -> str:
    """Return the address without user name and password."""
    scheme, separator, rest = address(root, uri).partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2] if scheme.startswith('http') else rest}"


def artifact_location(root: Path) -> str:
    """Return the URI of the folder of all artifacts of the database."""
    return (root.resolve() / ARTIFACTS).as_uri()


def open_client(root: Path, uri: str | None) -> MlflowClient:
    """Return a client of runs and registry, both at `uri`; None: the database below `root`, created if it is missing.

    Neither MLFLOW_TRACKING_URI nor MLFLOW_REGISTRY_URI change it. Raises sqlite3.Error if the database is damaged.
    """
    if not uri:
        # processes that create the database at the same time would damage it
        with locked(root / ".state" / "mlflow.lock", "the tracking database", wait=True):
            create_database(root)
            _correct_locations(root)
    where = address(root, uri)
    return MlflowClient(where, registry_uri=where)


def create_database(root: Path) -> None:
    """Create the database elsewhere and rename it: MLflow cannot use one whose creation was killed half way."""
    if (root / "mlflow.db").exists():
        return
    new = root / ".state" / "mlflow-new.db"
    for leftover in new.parent.glob(f"{new.name}*"):
        leftover.unlink()
    store: Any = SqlAlchemyStore  # untyped
    store(f"sqlite:///{new}", artifact_location(root)).engine.dispose()
    for name in ("mlflow.db-wal", "mlflow.db-shm"):  # of a deleted database; they would damage this one
        (root / name).unlink(missing_ok=True)
    new.replace(root / "mlflow.db")


def _correct_locations(root: Path) -> None:
    """Make artifacts that the database places in another folder of the project's kind point into this one."""
    here = artifact_location(root)
    with closing(sqlite3.connect(root / "mlflow.db", timeout=60)) as database:
        rows = database.execute("SELECT artifact_location FROM experiments").fetchall()
        bases = {str(location).removesuffix("/0") for (location,) in rows}  # of the default experiment: <base>/0
        for old in sorted(base for base in bases if base.endswith(f"/{ARTIFACTS}") and base != here):
            for table, column in LOCATIONS:
                database.execute(
                    f"UPDATE {table} SET {column} = :here || substr({column}, :n + 1) "  # noqa: S608, names are ours
                    f"WHERE {column} = :old OR substr({column}, 1, :n + 1) = :old || '/'",
                    {"here": here, "old": old, "n": len(old)},
                )
        database.commit()


@contextmanager
def only(client: MlflowClient) -> Iterator[None]:
    """Make functions of mlflow that take no client use the address of this one, not that of MLFLOW_* variables."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name in VARIABLES}
    api: Any = mlflow  # untyped in part
    tracking, registry, is_set = api.get_tracking_uri(), api.get_registry_uri(), api.is_tracking_uri_set()
    api.set_tracking_uri(client.tracking_uri)
    api.set_registry_uri(client.tracking_uri)
    try:
        yield
    finally:
        api.set_tracking_uri(tracking if is_set else None)
        api.set_registry_uri(registry if registry != tracking else None)
        for name in VARIABLES:
            os.environ.pop(name, None)  # mlflow has set them
        os.environ.update(kept)


@event.listens_for(Engine, "connect")
def _write_ahead(connection: object, _: object) -> None:
    """Append commits to a log: readers do not wait; what a power cut loses is written again at the next start."""
    if isinstance(connection, sqlite3.Connection):
        with suppress(sqlite3.DatabaseError):  # no database, or a locked one: the next statement reports it at once
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
