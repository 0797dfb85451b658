"""Real servers on loopback with real faults."""

import datetime
import gzip
import hashlib
import ipaddress
import random
import ssl
import threading
import time
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline.core.errors import DownloadError, PipelineError
from pipeline.core.files import sha256_file
from pipeline.datasets import fetch as fetching
from pipeline.datasets.registry import RawFile, specs

CONTENT = random.Random(0).randbytes(300_000)
CLOSED = "http://127.0.0.1:9"  # discard: nothing listens there


@dataclass
class Server:
    """Answers `/<fault>/<data set>/<file>` with that fault."""

    url: str = ""
    ranges: list[str | None] = field(default_factory=list)
    """Range header of each request, None where there was none"""
    paths: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server: Server, *args) -> None:
        self.log = server
        super().__init__(*args)

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        self.log.paths.append(self.path)
        self.log.ranges.append(self.headers["Range"])
        self.close_connection = True
        getattr(self, self.path.split("/")[1])(len(self.log.paths))

    def answer(self, body: bytes, status: int = 200, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def good(self, n: int) -> None:
        self.answer(CONTENT)

    def missing(self, n: int) -> None:
        self.answer(b"no", 404)

    def busy_once(self, n: int) -> None:
        self.answer(b"", 503) if n == 1 else self.good(n)

    def cut(self, n: int) -> None:
        """Breaks off in the middle of each answer, and knows no ranges."""
        self.answer(CONTENT[:100_000], length=len(CONTENT))

    def cut_once(self, n: int) -> None:
        """Breaks off once, then resumes as asked."""
        if n == 1:
            return self.answer(CONTENT[:100_000], length=len(CONTENT), ETag='"1"')
        start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        assert self.headers["If-Range"] == '"1"'
        content_range = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        return self.answer(CONTENT[start:], 206, Content_Range=content_range)

    def cut_then_whole(self, n: int) -> None:
        self.cut(n) if n == 1 else self.good(n)

    def cut_then_other_range(self, n: int) -> None:
        if n == 1:
            return self.cut(n)
        if n == 2:
            return self.answer(CONTENT[7:], 206, Content_Range=f"bytes 7-{len(CONTENT) - 1}/{len(CONTENT)}")
        return self.good(n)

    def cut_then_unsatisfiable(self, n: int) -> None:
        self.cut(n) if n == 1 else self.answer(b"", 416) if n == 2 else self.good(n)

    def cut_then_changed(self, n: int) -> None:
        """The first half was of another file, so that only a fresh start helps."""
        if n == 1:
            return self.answer(bytes(100_000), length=len(CONTENT))
        if not self.headers["Range"]:
            return self.good(n)
        return self.answer(CONTENT[100_000:], 206, Content_Range=f"bytes 100000-{len(CONTENT) - 1}/{len(CONTENT)}")

    def longer(self, n: int) -> None:
        self.answer(CONTENT + b"more")

    def shorter(self, n: int) -> None:
        self.answer(CONTENT[:-1])

    def wrong(self, n: int) -> None:
        self.answer(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))

    def html(self, n: int) -> None:
        self.answer(b"<p>please log in", Content_Type="text/html; charset=utf-8")

    def disguised(self, n: int) -> None:
        self.answer(b"\n <!DOCTYPE html><p>please log in", Content_Type="application/octet-stream")

    def stall(self, n: int) -> None:
        self.answer(CONTENT[:100_000], length=len(CONTENT))
        self.wfile.flush()
        time.sleep(1.5)

    def encoded(self, n: int) -> None:
        """Declares the packed file as an encoding of another one; the bytes are wanted as they are."""
        self.answer(CONTENT, Content_Encoding="gzip")

    def redirect(self, n: int) -> None:
        self.answer(b"", 302, Location=self.log.url + "/good/set/file.bin")

    def circle(self, n: int) -> None:
        self.answer(b"", 302, Location=self.path)


@pytest.fixture
def start_server():
    servers = []

    def start(log: Server, context: ssl.SSLContext | None = None) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, log))
        server.handle_error = lambda *args: None  # broken pipes are what the faults are about
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
        return f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server(start_server):
    log = Server()
    log.url = start_server(log)
    return log


@pytest.fixture
def fetch(tmp_path, monkeypatch):
    """Downloads the set "set" of one file from the given mirrors; its public address is closed."""
    file = RawFile("file.bin", f"{CLOSED}/file.bin", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(specs(), "set", replace(specs()["mnist"], name="set", files=(file,)))
    waits: list[float] = []

    def run(*mirrors: str, retries: int = 2) -> Path:
        scratch, out = tmp_path / "scratch", tmp_path / "out"
        try:
            fetching.fetch_dataset("set", out, mirrors, scratch, timeout_s=0.5, retries=retries, sleep=waits.append)
        except PipelineError:
            assert not out.exists() or not list(out.iterdir()), "nothing may stand at the final path after a failure"
            raise
        assert [p.name for p in out.iterdir()] == ["file.bin"]
        assert (out / "file.bin").read_bytes() == CONTENT
        return out / "file.bin"

    run.waits = waits
    return run


def reason(error: pytest.ExceptionInfo[DownloadError], source: str) -> str:
    [line] = [p for p in error.value.problems if p.startswith(source)]
    return line


def test_whole_file(server, fetch, tmp_path):
    fetch(server.url + "/good")
    assert server.paths == ["/good/set/file.bin"]
    assert not list((tmp_path / "scratch").iterdir())


def test_parts_of_failed_sources_are_cleared_away(server, fetch, tmp_path):
    fetch(server.url + "/cut", server.url + "/good")
    assert not list((tmp_path / "scratch").iterdir())


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


def test_a_stall_ends_at_the_timeout(server, fetch):
    with pytest.raises(DownloadError) as error:
        fetch(server.url + "/stall", retries=0)
    assert "no answer within 0.5 s (ReadTimeout)" in reason(error, server.url)


def test_a_busy_server_is_asked_again_with_growing_pauses(server, fetch):
    fetch(server.url + "/busy_once")
    assert fetch.waits == [1.0]


def test_pauses_double(fetch):
    with pytest.raises(DownloadError):
        fetch(retries=3)
    assert fetch.waits == [1.0, 2.0, 4.0]


def test_resume_asks_for_the_rest(server, fetch):
    fetch(server.url + "/cut_once")
    assert server.ranges == [None, "bytes=100000-"]


def test_resume_in_a_later_run(server, fetch):
    with pytest.raises(DownloadError):
        fetch(server.url + "/cut_once", retries=0)
    fetch(server.url + "/cut_once", retries=0)
    assert server.ranges == [None, "bytes=100000-"]


@pytest.mark.parametrize("fault", ["cut_then_whole", "cut_then_other_range", "cut_then_unsatisfiable"])
def test_a_server_without_ranges_starts_anew(server, fetch, fault):
    fetch(f"{server.url}/{fault}")
    assert server.ranges[:2] == [None, "bytes=100000-"]


def test_a_part_is_never_continued_from_another_source(server, fetch):
    fetch(server.url + "/cut", server.url + "/good", retries=0)
    assert server.ranges == [None, None]


def test_a_resumed_file_with_a_wrong_start_is_fetched_from_the_start(server, fetch):
    fetch(server.url + "/cut_then_changed")
    assert server.ranges == [None, "bytes=100000-", None]


def test_bytes_stay_as_published(server, fetch):
    fetch(server.url + "/encoded")


def test_redirects_are_followed(server, fetch):
    fetch(server.url + "/redirect")
    assert server.paths == ["/redirect/set/file.bin", "/good/set/file.bin"]


def test_an_answer_without_end_is_refused(server, fetch, monkeypatch, tmp_path):
    monkeypatch.setattr(fetching, "MAX_BYTES", 200_000)
    with pytest.raises(DownloadError) as error:
        fetch(server.url + "/good")
    assert "longer than 200000 bytes" in reason(error, server.url)
    assert not list((tmp_path / "scratch").glob("*.part"))


@pytest.fixture
def certificate(tmp_path, monkeypatch) -> ssl.SSLContext:
    """Of a server on 127.0.0.1 that this process trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(key_bytes)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    return context


def test_a_redirect_from_https_to_http_is_refused(server, fetch, start_server, certificate):
    secure = start_server(server, certificate)
    fetch(secure + "/good").unlink()
    with pytest.raises(DownloadError) as error:
        fetch(secure + "/redirect")
    assert f"redirects from https to http: {server.url}" in reason(error, secure)
    assert server.paths == ["/good/set/file.bin", "/redirect/set/file.bin"]


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
    (tmp_path / "scratch").write_text("a file where the folder should be")
    with pytest.raises(PipelineError, match=r"scratch: cannot be written") as error:
        fetch(server.url + "/good")
    assert not isinstance(error.value, DownloadError)


def test_digits_come_out_of_scikit_learn_whatever_the_mirrors(tmp_path):
    fetching.fetch_dataset("digits", tmp_path / "out", [CLOSED], tmp_path / "scratch", timeout_s=1, retries=0)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["digits.csv.gz"]


def test_content_decides_where_the_container_may_differ(tmp_path, monkeypatch):
    """The packaged digits packed anew: other bytes, same content. One grey level changed: refused."""
    fetching.fetch_dataset("digits", tmp_path / "packaged", [], tmp_path / "scratch", timeout_s=1, retries=0)
    text = gzip.decompress((tmp_path / "packaged" / "digits.csv.gz").read_bytes())
    file = RawFile("digits.csv.gz", f"{CLOSED}/digits.csv.gz")
    monkeypatch.setitem(specs(), "digits", replace(specs()["digits"], files=(file,)))
    for name, content in {"again": text, "changed": text.replace(b"0,0,5,13", b"0,0,5,12", 1)}.items():
        (tmp_path / name / "digits").mkdir(parents=True)
        (tmp_path / name / "digits" / "digits.csv.gz").write_bytes(gzip.compress(content, 1))
    again, changed = str(tmp_path / "again"), str(tmp_path / "changed")
    with pytest.raises(DownloadError, match="wrong content, records: sha256 must be"):
        fetching.fetch_dataset("digits", tmp_path / "out", [changed], tmp_path / "scratch", timeout_s=1, retries=0)
    fetching.fetch_dataset("digits", tmp_path / "out", [changed, again], tmp_path / "scratch", timeout_s=1, retries=0)
    packaged, copied = (sha256_file(tmp_path / f / "digits.csv.gz") for f in ("packaged", "out"))
    assert packaged != copied
