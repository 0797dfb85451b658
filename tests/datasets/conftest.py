"""A data set of one file, fetched from servers with faults."""

import hashlib
from pathlib import Path

import pytest

from described import describe
from fault_server import CLOSED, CONTENT, Server, servers
from pipeline.artifacts.layout import Layout
from pipeline.core.errors import PipelineError
from pipeline.datasets import fetch as fetching
from pipeline.datasets.fetch import DownloadSettings
from pipeline.stages import download


@pytest.fixture
def start_server():
    with servers() as start:
        yield start


@pytest.fixture
def server(start_server):
    log = Server()
    log.url = start_server(log)
    return log


@pytest.fixture
def waits(monkeypatch):
    """Pauses between attempts, which are recorded in place of being waited for."""
    recorded: list[float] = []
    monkeypatch.setattr(fetching, "sleep", recorded.append)
    return recorded


@pytest.fixture
def scratch(tmp_path):
    """Folder of unfinished files of the set "set"."""
    return tmp_path / ".state/download/set"


@pytest.fixture
def fetch(tmp_path, waits):
    """Download the set "set" of one file from the given mirrors; its public address is closed."""
    sha256 = {"file.bin": hashlib.sha256(CONTENT).hexdigest()}
    describe(tmp_path, "set", source={"archive": f"{CLOSED}/file.bin", "sha256": sha256})
    layout = Layout(tmp_path)
    out = layout.raw("set")

    def run(*mirrors: str, retries: int = 2) -> Path:
        try:
            download.run(
                layout, "set", "data/set.yaml", DownloadSettings(mirrors=[*mirrors], timeout_s=0.5, retries=retries)
            )
        except PipelineError:
            assert not out.exists() or not list(out.iterdir()), "no file may have its final name after a failure"
            raise
        assert [p.name for p in out.iterdir()] == ["file.bin"]
        assert (out / "file.bin").read_bytes() == CONTENT
        return out / "file.bin"

    return run
