"""Optuna's journal as one file with one writer."""

import json
import os
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend


class Journal(BaseJournalBackend):
    """The journal of a study whose lock this process holds.

    A line is handed to the operating system when it is written, so a killed process loses none; `sync` keeps them
    through a power cut too. The format is that of optuna's JournalFileBackend, which can read the file.
    """

    def __init__(self, path: Path) -> None:
        """Truncate the file at the first incomplete line: what a kill or a power cut left was never synced."""
        self._file = path.open("a+b")
        self._file.seek(0)
        self._logs, whole = [], 0
        for line in self._file:
            try:
                self._logs.append(json.loads(line if line.endswith(b"\n") else b""))
            except ValueError:
                break
            whole += len(line)
        self._file.truncate(whole)

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = [json.dumps(log, separators=(",", ":")) for log in logs]
        self._file.write("".join(f"{line}\n" for line in lines).encode())
        self._file.flush()
        self._logs += [json.loads(line) for line in lines]  # as they are read back later

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()
