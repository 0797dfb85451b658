"""The database mlflow.db: created whole or not at all, and written so that readers do not wait."""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Engine, event


@event.listens_for(Engine, "connect")
def _write_ahead(connection: object, _: object) -> None:
    """Append commits to a log: readers do not wait; what a power cut loses is written again at the next start."""
    if isinstance(connection, sqlite3.Connection):
        with suppress(sqlite3.DatabaseError):  # no database, or a locked one: the next statement reports it at once
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")


def address(root: Path, uri: str | None) -> str:
    """Return the address of the server, or of the database below `root`."""
    return uri or f"sqlite:///{root.resolve() / 'mlflow.db'}"


def create_database(root: Path) -> None:
    """Create the database elsewhere and rename it: MLflow cannot use one whose creation was killed half way."""
    if (root / "mlflow.db").exists():
        return
    new = root / ".state" / "mlflow-new.db"
    for leftover in new.parent.glob(f"{new.name}*"):
        leftover.unlink()
    store: Any = SqlAlchemyStore  # untyped
    store(f"sqlite:///{new}", (root / "mlartifacts").as_uri()).engine.dispose()
    for name in ("mlflow.db-wal", "mlflow.db-shm"):  # of a deleted database; they would damage this one
        (root / name).unlink(missing_ok=True)
    new.replace(root / "mlflow.db")
