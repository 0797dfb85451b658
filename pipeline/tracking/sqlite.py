"""mlflow.db: made whole or not at all, and written so that readers do not wait."""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Engine, event


@event.listens_for(Engine, "connect")
def _write_ahead(connection: object, _: object) -> None:
    """Readers do not wait for us, and a commit is one append; what a power cut takes is written at the next start."""
    if isinstance(connection, sqlite3.Connection):
        with suppress(sqlite3.DatabaseError):  # no database, or one in use: what comes next says so, at once
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")


def address(root: Path, uri: str | None) -> str:
    return uri or f"sqlite:///{root.resolve() / 'mlflow.db'}"


def create_database(root: Path) -> None:
    """MLflow makes its tables in many steps; a database that a kill had left between two could not be used again."""
    if (root / "mlflow.db").exists():
        return
    new = root / ".state" / "mlflow-new.db"
    for left in new.parent.glob(f"{new.name}*"):
        left.unlink()
    store: Any = SqlAlchemyStore  # untyped
    store(f"sqlite:///{new}", (root / "mlartifacts").as_uri()).engine.dispose()
    for name in ("mlflow.db-wal", "mlflow.db-shm"):  # of a database deleted without them, which would spoil this one
        (root / name).unlink(missing_ok=True)
    new.replace(root / "mlflow.db")
