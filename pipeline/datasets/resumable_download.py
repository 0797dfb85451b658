"""Download one URL; an interrupted download resumes where the server supports it."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx

from pipeline.core.files import read_json, write_json
from pipeline.core.progress import BYTES, progress_bar
from pipeline.datasets.archives import MAX_ARCHIVE_BYTES

MAX_BYTES = MAX_ARCHIVE_BYTES  # an endless response must end
TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}  # any other 4xx would be the same next time


class SourceError(Exception):
    """A source cannot deliver the file; the message is the reason."""


class TransientError(SourceError):
    """A source did not deliver the file, but may do so when asked again."""


def download(url: str, whole: Path, timeout_s: float) -> bool:
    """Make one attempt, and leave the complete response at `whole`. Return whether an earlier attempt was resumed.

    Raises TransientError if the download was interrupted: the bytes received so far are kept for the next attempt.
    Raises SourceError if another attempt would not help.
    """
    # one part per source: mirrors may hold other bytes, and asking the next one must not lose what this one sent
    part = whole.with_name(f"{whole.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part")
    origin = part.with_suffix(".json")
    headers = {"Accept-Encoding": "identity"}  # a server that compresses a .gz again would change its length
    n_have = _resumable(part, origin, headers)
    hooks: dict[str, list[Callable[..., None]]] = {"request": [partial(_stay_secure, url)]}
    try:
        client = httpx.Client(timeout=timeout_s, follow_redirects=True, event_hooks=hooks)
        with client, client.stream("GET", url, headers=headers) as response:
            start = _start(response, part, n_have)
            _receive(url, response, part=part, origin=origin, start=start)
    except TransientError:
        raise
    except SourceError:
        part.unlink(missing_ok=True)
        raise
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        if isinstance(error, httpx.TimeoutException):
            reason = f"no response within {timeout_s:g} s ({type(error).__name__})"
        kind = TransientError if isinstance(error, httpx.TransportError) else SourceError
        raise kind(reason) from error
    except httpx.InvalidURL as error:
        raise SourceError(f"invalid address: {error}") from error
    origin.unlink(missing_ok=True)
    part.replace(whole)
    return start > 0


def _stay_secure(url: str, request: httpx.Request) -> None:
    """Check a request of the chain of redirects from `url`."""
    if url.lower().startswith("https://") and request.url.scheme != "https":
        raise SourceError(f"refused, redirects from https to {request.url.scheme}: {request.url}")


def _resumable(part: Path, origin: Path, headers: dict[str, str]) -> int:
    """Return the number of bytes an earlier attempt received, and add the headers that ask for the rest."""
    n_have = part.stat().st_size if part.exists() and origin.exists() else 0
    if n_have:
        headers["Range"] = f"bytes={n_have}-"
        if validator := read_json(origin)["validator"]:
            headers["If-Range"] = validator  # the server sends the whole file instead if it has changed
    return n_have


def _start(response: httpx.Response, part: Path, n_have: int) -> int:
    """Return the position of the first byte of the response: n_have if the server resumes, else 0."""
    if response.status_code == 416 and n_have:
        part.unlink()
        raise TransientError("the earlier part does not fit the file; starting over")
    if response.status_code not in (200, 206):
        kind = TransientError if response.status_code in TRANSIENT_STATUS else SourceError
        raise kind(f"HTTP {response.status_code} {response.reason_phrase}")
    if "html" in response.headers.get("Content-Type", ""):
        raise SourceError("an HTML page instead of data")
    if response.status_code == 200:
        return 0
    if not response.headers.get("Content-Range", "").startswith(f"bytes {n_have}-"):
        part.unlink(missing_ok=True)
        raise TransientError(f"asked for bytes from {n_have}, got {response.headers.get('Content-Range')!r}")
    return n_have


def _receive(url: str, response: httpx.Response, *, part: Path, origin: Path, start: int) -> None:
    """Write the body to `part`, after its first `start` bytes."""
    length = response.headers.get("Content-Length")
    n_total = start + int(length) if length and length.isdigit() else None
    # RFC 9110, 13.1.5: only a strong validator is allowed in If-Range
    etag = response.headers.get("ETag", "")
    write_json(origin, {"url": url, "validator": "" if etag.startswith("W/") else etag})

    n_bytes = start
    bar = progress_bar(url.rsplit("/", 1)[-1], n_total, unit=BYTES, n_done=start)
    with bar as advance, part.open("ab" if start else "wb") as f:
        # raw: the bytes as published, even where a server declares a .gz file as an encoding
        # no chunk size: a chunk that waits to be filled is lost when the connection breaks
        for chunk in response.iter_raw():
            if n_bytes == 0 and chunk.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
                raise SourceError("an HTML page instead of data")
            n_bytes += len(chunk)
            if n_bytes > MAX_BYTES:
                raise SourceError(f"refused, longer than {MAX_BYTES} bytes")
            f.write(chunk)
            advance(len(chunk))
    if n_total is not None and n_bytes != n_total:
        raise TransientError(f"truncated: expected {n_total} bytes, received {n_bytes}")
