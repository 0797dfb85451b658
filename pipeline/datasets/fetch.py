"""TODO datasets.fetch."""

import errno
import hashlib
import importlib.resources
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import httpx
from pydantic import Field

from pipeline.core.errors import DataError, DownloadError, PipelineError
from pipeline.core.files import read_json, sha256_file, write_json, writing
from pipeline.core.progress import BYTES, progress_bar
from pipeline.core.yaml_document import Integer, Number, Strict
from pipeline.datasets.registry import DatasetSpec, RawFile, check_digests, find_spec


class DownloadSettings(Strict):
    mirrors: list[str] = Field(
        [], description="folders or http(s) URLs, asked in order, before $DATA_MIRROR and the public URL"
    )
    timeout_s: Annotated[Number, Field(gt=0, description="seconds without a byte before a source is given up")]
    retries: Annotated[Integer, Field(ge=0, description="further attempts per source")]


MAX_BYTES = 1 << 30  # the largest published file has 170 MB; an endless answer must not fill the disk
PACKAGED = "package:"  # data inside an installed package: "package:sklearn.datasets.data/digits.csv.gz"
# Answers that may be different in a moment; any other 4xx will stay as it is.
TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}


class SourceError(Exception):
    """This source will not deliver the file; the message says why."""


class TransientError(SourceError):
    """... but may do so when asked again."""


@dataclass(frozen=True)
class FetchPolicy:
    timeout_s: float
    """longest wait for a connection or for the next bytes"""
    retries: int
    """further attempts per source"""
    sleep: Callable[[float], None]


def fetch_dataset(
    dataset: str,
    out: Path,
    mirrors: Sequence[str],
    scratch: Path,
    timeout_s: float,
    retries: int,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Fetches every file of the data set into `out`.

    mirrors: folders or http(s) URLs with `<dataset>/<file>` below them, asked before the public address.
    scratch: folder for unfinished files; what is there is resumed.
    """
    spec = find_spec(dataset)
    patience = FetchPolicy(timeout_s, retries, sleep)
    problems: list[str] = []
    for file in spec.files:
        if (out / file.name).is_file() and not _wrong_content(spec, file, out):
            continue
        problems += _fetch_file(spec, file, out, _sources(spec, file, mirrors), scratch, patience)
    if problems:
        raise DownloadError(f"{dataset}: no source delivered every file", problems)


def _sources(spec: DatasetSpec, file: RawFile, mirrors: Sequence[str]) -> list[str]:
    if file.url.startswith(PACKAGED):
        return [file.url]  # installed with the project: a mirror could only be slower
    return [*(f"{mirror.rstrip('/')}/{spec.name}/{file.name}" for mirror in mirrors), file.url]


def _fetch_file(
    spec: DatasetSpec, file: RawFile, out: Path, sources: list[str], scratch: Path, patience: FetchPolicy
) -> list[str]:
    """Tries the sources in order. Returns [] once the checked file stands in `out`, else one line per source."""
    whole = scratch / file.name
    problems: list[str] = []
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        for source in sources:
            try:
                _fetch_checked(spec, file, source, whole, patience)
            except SourceError as error:
                problems.append(f"{source}: {error}")
                continue
            with writing(out / file.name) as part:
                shutil.move(whole, part)  # copies where `out` lies on another disk
            for rest in scratch.glob(f"{file.name}.*"):
                rest.unlink()
            return []
    except OSError as error:
        where = error.filename or scratch
        raise PipelineError(
            f"{where}: cannot be written: {error.strerror or error}; free space and run again"
        ) from error
    folder = next((Path(s).parent.parent for s in sources[:-1] if not _is_url(s)), Path("~/data-mirror"))
    by_hand = f"by hand: fetch {file.url}, put it at {folder / spec.name / file.name} and set DATA_MIRROR={folder}"
    return [*problems, by_hand]


def _fetch_checked(spec: DatasetSpec, file: RawFile, source: str, whole: Path, patience: FetchPolicy) -> None:
    """Leaves the file with the right content at `whole`, or raises SourceError and leaves nothing there."""
    fetch = partial(_fetch_url, source, whole, patience.timeout_s) if _is_url(source) else partial(_copy, source, whole)
    for attempt in range(patience.retries + 1):
        last = attempt == patience.retries
        try:
            resumed = fetch()
        except TransientError as error:
            if last:
                raise SourceError(f"{error} (attempt {attempt + 1} of {attempt + 1})") from error
            patience.sleep(2.0**attempt)
            continue
        if not (wrong := _wrong_content(spec, file, whole.parent)):
            return
        whole.unlink()
        # the first half of a resumed file may have been what is wrong: once more, from the start
        if last or not resumed:
            raise SourceError(f"wrong content, {wrong}")


def _wrong_content(spec: DatasetSpec, file: RawFile, folder: Path) -> str:
    """What is wrong with folder/<file name>, "" if it is the published one."""
    try:
        found = {file.name: sha256_file(folder / file.name)} if file.sha256 else spec.content_digests(spec.read(folder))
    except DataError as error:
        return str(error)
    return "; ".join(check_digests(spec, found))


def _is_url(source: str) -> bool:
    return source.lower().startswith(("http://", "https://"))


def _copy(source: str, whole: Path) -> bool:
    """From a folder or an installed package. Returns False: nothing is resumed."""
    if source.startswith(PACKAGED):
        package, _, name = source.removeprefix(PACKAGED).partition("/")
        with importlib.resources.as_file(importlib.resources.files(package) / name) as path:
            shutil.copyfile(path, whole)
        return False
    path = Path(source).expanduser()
    if not path.is_file():
        raise SourceError("no such file")
    try:
        shutil.copyfile(path, whole)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EROFS, errno.EDQUOT):
            raise
        raise SourceError(f"cannot be copied: {error.strerror or error}") from error
    return False


def _fetch_url(url: str, whole: Path, timeout_s: float) -> bool:
    """One attempt. Leaves the complete answer at `whole`. Returns whether an earlier attempt's bytes were resumed."""
    # one part per source: mirrors may hold other bytes, and asking the next one must not lose what came from this one
    part = whole.with_name(f"{whole.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part")
    origin = part.with_suffix(".json")
    headers = {"Accept-Encoding": "identity"}  # a server that packs a .gz again would change its length
    n_have = _resumable(part, origin, headers)
    try:
        with (
            httpx.Client(
                timeout=timeout_s, follow_redirects=True, event_hooks={"request": [_stay_secure(url)]}
            ) as client,
            client.stream("GET", url, headers=headers) as response,
        ):
            resumed = _receive(url, response, part, origin, n_have)
    except TransientError:
        raise  # what came so far is kept for the next attempt
    except SourceError:
        part.unlink(missing_ok=True)
        raise
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        if isinstance(error, httpx.TimeoutException):
            reason = f"no answer within {timeout_s:g} s ({type(error).__name__})"
        kind = TransientError if isinstance(error, httpx.TransportError) else SourceError
        raise kind(reason) from error
    except httpx.InvalidURL as error:
        raise SourceError(f"no valid address: {error}") from error
    origin.unlink(missing_ok=True)
    part.replace(whole)
    return resumed


def _stay_secure(url: str) -> Callable[[httpx.Request], None]:
    """Hook that runs before every request of a chain of redirects."""

    def refuse(request: httpx.Request) -> None:
        if url.lower().startswith("https://") and request.url.scheme != "https":
            raise SourceError(f"refused, redirects from https to {request.url.scheme}: {request.url}")

    return refuse


def _resumable(part: Path, origin: Path, headers: dict[str, str]) -> int:
    """Bytes of an earlier attempt; fills in the headers that ask for the rest."""
    n_have = part.stat().st_size if part.exists() and origin.exists() else 0
    if n_have:
        headers["Range"] = f"bytes={n_have}-"
        if validator := read_json(origin)["validator"]:
            headers["If-Range"] = validator  # the whole file instead, if it changed meanwhile
    return n_have


def _receive(url: str, response: httpx.Response, part: Path, origin: Path, n_have: int) -> bool:
    """Writes the body to `part`, behind the first n_have bytes if the server agrees. Returns whether it did."""
    if response.status_code == 416 and n_have:
        part.unlink()
        raise TransientError("the earlier part does not fit the file, starts anew")
    if response.status_code not in (200, 206):
        kind = TransientError if response.status_code in TRANSIENT_STATUS else SourceError
        raise kind(f"HTTP {response.status_code} {response.reason_phrase}")
    if "html" in response.headers.get("Content-Type", ""):
        raise SourceError("an HTML page instead of data")
    start = n_have if response.status_code == 206 else 0
    if response.status_code == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        part.unlink(missing_ok=True)
        raise TransientError(f"asked for bytes from {start}, got {response.headers.get('Content-Range')!r}")
    length = response.headers.get("Content-Length")
    n_total = start + int(length) if length and length.isdigit() else None
    # RFC 9110, 13.1.5: only a strong validator may stand in If-Range
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
        raise TransientError(f"wrong length, {n_total} bytes were announced, {n_bytes} came")
    return start > 0
