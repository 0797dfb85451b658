"""Files without a stated digest: the first download is recorded, and later ones are compared with it."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from described import describe
from fault_server import CONTENT, Server
from pipeline.artifacts.layout import Layout
from pipeline.core.errors import ConfigError, DataError, DownloadError
from pipeline.datasets.fetch import DownloadSettings
from pipeline.stages import download, prepare

SETTINGS = DownloadSettings(timeout_s=1, retries=0)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def fetched(layout: Layout, url: str) -> Path:
    describe(layout.root, "set", source={"archive": url})
    download.run(layout, "set", "data/set.yaml", SETTINGS)
    return layout.root / "data/set.sha256"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_the_first_download_is_recorded(server: Server, layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    recorded = fetched(layout, f"{server.url}/good/set/file.bin")
    assert recorded.read_text() == f"{SHA256}  file.bin\n"
    assert "set: recorded the sha256 of file.bin in data/set.sha256" in capsys.readouterr().out
    fetched(layout, f"{server.url}/good/set/file.bin")
    assert len(server.paths) == 1
    assert not capsys.readouterr().out


def test_another_file_is_refused_until_its_line_is_deleted(server: Server, layout: Layout) -> None:
    recorded = fetched(layout, f"{server.url}/good/set/file.bin")
    (layout.raw("set") / "file.bin").unlink()
    other = hashlib.sha256(CONTENT + b"more").hexdigest()
    with pytest.raises(DownloadError) as error:
        fetched(layout, f"{server.url}/longer/set/file.bin")
    reason = error.value.problems[0]
    assert SHA256 in reason
    assert other in reason
    assert f"delete its line in {recorded}" in reason
    assert recorded.read_text() == f"{SHA256}  file.bin\n"
    recorded.write_text("")
    fetched(layout, f"{server.url}/longer/set/file.bin")
    assert recorded.read_text() == f"{other}  file.bin\n"


def test_a_damaged_file_is_not_recorded_in_place_of_the_line_deleted(server: Server, layout: Layout) -> None:
    recorded = fetched(layout, f"{server.url}/good/set/file.bin")
    path = layout.raw("set") / "file.bin"
    path.write_bytes(b"damaged")
    with pytest.raises(DataError, match="raw files have changed") as error:
        prepare.run(layout, "set")
    assert "to accept the new file" in error.value.problems[0]
    with pytest.raises(DownloadError):
        fetched(layout, f"{server.url}/longer/set/file.bin")
    assert not path.exists()
    recorded.unlink()
    fetched(layout, f"{server.url}/good/set/file.bin")
    assert recorded.read_text() == f"{SHA256}  file.bin\n"


def test_stated_digests_and_local_files_are_not_recorded(server: Server, layout: Layout) -> None:
    url = f"{server.url}/good/set/file.bin"
    describe(layout.root, "set", source={"archive": url, "sha256": {"file.bin": SHA256}})
    download.run(layout, "set", "data/set.yaml", SETTINGS)
    local = layout.root / "a.npz"
    np.savez(local, images=np.zeros((2, 4, 4), np.uint8), labels=np.arange(2))
    describe(layout.root, "local", source={"npz": str(local)})
    download.run(layout, "local", str(local), SETTINGS)
    assert not list((layout.root / "data").glob("*.sha256"))


def test_several_sources_are_recorded_by_name(server: Server, layout: Layout) -> None:
    sources = [{"name": name, "archive": f"{server.url}/good/set/file.bin"} for name in "ba"]
    describe(layout.root, "set", sources=sources)
    download.run(layout, "set", "data/set.yaml", SETTINGS)
    assert (layout.root / "data/set.sha256").read_text() == f"{SHA256}  a/file.bin\n{SHA256}  b/file.bin\n"


def test_a_line_that_is_no_digest_is_named(layout: Layout) -> None:
    (layout.root / "data").mkdir()
    (layout.root / "data/set.sha256").write_text(f"{SHA256}  file.bin\n<<<<<<< ours\n")
    with pytest.raises(ConfigError) as error:
        describe(layout.root, "set", source={"folder": "x"})
    assert [problem.partition(": ")[0] for problem in error.value.problems] == [f"{layout.root}/data/set.sha256:2"]
