"""Servers on loopback with real faults."""

import random
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = random.Random(0).randbytes(300_000)
CLOSED = "http://127.0.0.1:9"  # discard: nothing listens there


@dataclass
class Server:
    """The requests to a server on loopback, which answers `/<fault>/<data set>/<file>` with that fault."""

    url: str = ""
    ranges: list[str | None] = field(default_factory=list)
    """Range header of each request, or None"""
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
        """Break off in the middle of each response, and ignore ranges."""
        self.answer(CONTENT[:100_000], length=len(CONTENT))

    def cut_once(self, n: int) -> None:
        """Break off once, then resume as asked."""
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
        """Send the first part of another file, so that only starting over helps."""
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
        """Declare the packed file as an encoding of another one; the bytes are wanted as they are."""
        self.answer(CONTENT, Content_Encoding="gzip")

    def redirect(self, n: int) -> None:
        self.answer(b"", 302, Location=self.log.url + "/good/set/file.bin")

    def circle(self, n: int) -> None:
        self.answer(b"", 302, Location=self.path)


@contextmanager
def servers() -> Iterator[Callable[..., str]]:
    """Yield a function that starts a server and returns its URL; the servers stop when the block ends."""
    running = []

    def start(log: Server, context: ssl.SSLContext | None = None) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, log))
        server.handle_error = lambda *args: None  # broken pipes are what the faults are about
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((server, thread))
        return f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()
