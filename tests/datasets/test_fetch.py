"""The order of sources, retries, and files that are not the published ones."""

import gzip
import shutil

import pytest

from described import ROOT, describe
from fault_server import CLOSED, CONTENT
from pipeline.artifacts.layout import Layout
from pipeline.core.errors import DownloadError, PipelineError
from pipeline.core.files import sha256_file
from pipeline.datasets.description import read_dataset
from pipeline.datasets.fetch import DownloadSettings, retry
from pipeline.datasets.resumable_download import SourceError, TransientError
from pipeline.stages import download


def reason(error: pytest.ExceptionInfo[DownloadError], source: str) -> str:
    [line] = [p for p in error.value.problems if p.startswith(source)]
    return line


@pytest.mark.parametrize(
    ("failures", "pauses", "message"),
    [
        ([], [], None),
        ([TransientError("busy")], [1.0], None),
        ([TransientError("busy")] * 2, [1.0, 2.0], None),
        ([TransientError("busy")] * 3, [1.0, 2.0], "busy (attempt 3 of 3)"),
        ([TransientError("busy"), SourceError("gone")], [1.0], "gone"),
        ([SourceError("gone")], [], "gone"),
    ],
)
def test_a_source_is_asked_again_only_where_it_may_help(waits, failures, pauses, message):
    remaining = [*failures]

    def attempt() -> None:
        if remaining:
            raise remaining.pop(0)

    if message:
        with pytest.raises(SourceError) as error:
            retry(attempt, retries=2)
        assert str(error.value) == message
    else:
        retry(attempt, retries=2)
    assert not remaining
    assert waits == pauses


def test_whole_file(server, fetch, scratch):
    fetch(server.url + "/good")
    assert server.paths == ["/good/set/file.bin"]
    assert not list(scratch.iterdir())


def test_parts_of_failed_sources_are_deleted(server, fetch, scratch):
    fetch(server.url + "/cut", server.url + "/good")
    assert not list(scratch.iterdir())


def test_what_is_there_and_right_is_not_fetched_again(server, fetch):
    path = fetch(server.url + "/good/")
    fetch(server.url + "/good/")
    assert len(server.paths) == 1
    path.write_bytes(b"damaged")
    fetch(server.url + "/good")
    assert len(server.paths) == 2


@pytest.mark.parametrize(
    ("fault", "why", "n_requests"),
    [
        ("missing", "HTTP 404", 1),
        ("html", "HTML page", 1),
        ("disguised", "HTML page", 1),
        ("wrong", "wrong content, file.bin: sha256 must be", 1),
        ("longer", "wrong content", 1),
        ("shorter", "wrong content", 1),
        ("cut", "attempt 3 of 3", 3),
        ("circle", "redirect", 21),
    ],
)
def test_a_fault_leads_to_the_next_source(server, fetch, fault, why, n_requests):
    with pytest.raises(DownloadError) as error:
        fetch(f"{server.url}/{fault}")
    assert why in reason(error, f"{server.url}/{fault}/set/file.bin: ")
    assert len(server.paths) == n_requests
    # the next run repairs: same scratch folder, a source that works
    fetch(f"{server.url}/{fault}", server.url + "/good")


def test_a_busy_server_is_asked_again_after_a_pause(server, fetch, waits):
    fetch(server.url + "/busy_once")
    assert waits == [1.0]


def test_pauses_double(fetch, waits):
    with pytest.raises(DownloadError):
        fetch(retries=3)
    assert waits == [1.0, 2.0, 4.0]


def test_folders_are_mirrors(fetch, tmp_path):
    wrong, right = tmp_path / "wrong", tmp_path / "right"
    for folder, content in {wrong: b"wrong", right: CONTENT}.items():
        (folder / "set").mkdir(parents=True)
        (folder / "set" / "file.bin").write_bytes(content)
    with pytest.raises(DownloadError) as error:
        fetch(str(tmp_path / "empty"), str(wrong))
    assert "no such file" in reason(error, str(tmp_path / "empty"))
    assert "wrong content" in reason(error, str(wrong))
    fetch(str(wrong), str(right))
    assert (right / "set" / "file.bin").read_bytes() == CONTENT


def test_the_error_lists_every_source_and_the_way_by_hand(server, fetch, tmp_path):
    folder = str(tmp_path / "mirror")
    with pytest.raises(DownloadError) as error:
        fetch(server.url + "/missing", folder)
    *sources, by_hand = error.value.problems
    assert [s.split(": ")[0] for s in sources] == [
        f"{server.url}/missing/set/file.bin",
        f"{folder}/set/file.bin",
        f"{CLOSED}/file.bin",
    ]
    assert "refused" in sources[-1]
    assert f"put it at {folder}/set/file.bin and set DATA_MIRROR={folder}" in by_hand
    assert error.value.exit_code == 2


def test_a_disk_that_cannot_be_written_is_no_fault_of_the_source(server, fetch, tmp_path):
    (tmp_path / ".state/download").mkdir(parents=True)
    (tmp_path / ".state/download/set").write_text("a file where the folder should be")
    with pytest.raises(PipelineError, match=r"set: cannot be written") as error:
        fetch(server.url + "/good")
    assert not isinstance(error.value, DownloadError)


def test_digits_are_read_from_scikit_learn_despite_mirrors(tmp_path):
    layout = Layout(tmp_path)
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / "data/digits.yaml", tmp_path / "data")
    download.run(layout, "digits", "data/digits.yaml", DownloadSettings(mirrors=[CLOSED], timeout_s=1, retries=0))
    assert [p.name for p in layout.raw("digits").iterdir()] == ["digits.csv.gz"]


def test_content_decides_where_the_packing_may_differ(tmp_path):
    """The packaged digits compressed differently: other bytes, same content. One grey level changed: refused."""
    packaged, copied = Layout(tmp_path / "packaged"), Layout(tmp_path / "copied")
    (packaged.root / "data").mkdir(parents=True)
    shutil.copy(ROOT / "data/digits.yaml", packaged.root / "data")
    download.run(packaged, "digits", "data/digits.yaml", DownloadSettings(timeout_s=1, retries=0))
    text = gzip.decompress((packaged.raw("digits") / "digits.csv.gz").read_bytes())
    content = read_dataset(packaged.root, "digits").source.content
    describe(copied.root, "digits", source={"pixel_csv": f"{CLOSED}/digits.csv.gz", "content": content})
    for name, content in {"again": text, "changed": text.replace(b"0,0,5,13", b"0,0,5,12", 1)}.items():
        (tmp_path / name / "digits").mkdir(parents=True)
        (tmp_path / name / "digits" / "digits.csv.gz").write_bytes(gzip.compress(content, 1))
    again, changed = str(tmp_path / "again"), str(tmp_path / "changed")
    with pytest.raises(DownloadError, match="wrong content, records: sha256 must be"):
        download.run(copied, "digits", "data/digits.yaml", DownloadSettings(mirrors=[changed], timeout_s=1, retries=0))
    download.run(
        copied, "digits", "data/digits.yaml", DownloadSettings(mirrors=[changed, again], timeout_s=1, retries=0)
    )
    first, second = (sha256_file(layout.raw("digits") / "digits.csv.gz") for layout in (packaged, copied))
    assert first != second
