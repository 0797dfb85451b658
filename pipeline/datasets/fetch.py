"""Fetch the files of a data set: mirrors first, then the public address; every file is checked before it is kept."""

import errno
import importlib.resources
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import sleep
from typing import Annotated

from pydantic import Field

from pipeline.artifacts.layout import Layout
from pipeline.core.errors import DataError, PipelineError
from pipeline.core.files import sha256_file, writing
from pipeline.core.yaml_document import Integer, Number, Strict
from pipeline.datasets.description import Dataset
from pipeline.datasets.recorded_digests import write_recorded
from pipeline.datasets.resumable_download import SourceError, TransientError, download
from pipeline.datasets.sources import PACKAGED, RawFile, Where, is_url


class DownloadSettings(Strict):
    """Section `download` of params.yaml."""

    mirrors: list[str] = Field(
        [], description="folders or http(s) URLs, asked in order, before $DATA_MIRROR and the public URL"
    )
    timeout_s: Annotated[Number, Field(gt=0, description="seconds without a byte before a source is given up")]
    retries: Annotated[Integer, Field(ge=0, description="further attempts per source")]


def retry(attempt: Callable[[], None], retries: int) -> None:
    """Call `attempt` until it succeeds; after a TransientError, pause 1, 2, 4, … s and call it again.

    Raises SourceError when the retries are used up, or at once if another attempt would not help.
    """
    for n_failed in range(retries + 1):
        try:
            attempt()
        except TransientError as error:
            if n_failed == retries:
                raise SourceError(f"{error} (attempt {retries + 1} of {retries + 1})") from error
            sleep(2.0**n_failed)
        else:
            return


@dataclass(frozen=True)
class Fetcher:
    """Fetches the files of one data set into data/raw; unfinished files wait in `scratch` and are resumed."""

    dataset: Dataset
    settings: DownloadSettings
    root: Path  # of the repository
    scratch: Path

    @property
    def out(self) -> Path:
        """Folder of the files."""
        return Layout(self.root).raw(self.dataset.name)

    def missing(self) -> list[RawFile]:
        """Return the files that are not in `out` with the published content."""
        files = self.dataset.files()
        return [f for f in files if not (self.out / f.name).is_file() or self._wrong_content(f, self.out)]

    def fetch(self, file: RawFile) -> list[str]:
        """Try the sources in order. Return [] once the checked file is in `out`, else one line per source."""
        whole = self.scratch / file.name
        problems: list[str] = []
        try:
            whole.parent.mkdir(parents=True, exist_ok=True)
            (self.out / file.name).unlink(missing_ok=True)  # wrong: it must not be used or recorded later
            for source in self._sources(file):
                try:
                    retry(partial(self._attempt, file, source, whole), self.settings.retries)
                except SourceError as error:
                    problems.append(f"{source}: {error}")
                    continue
                with writing(self.out / file.name) as part:
                    shutil.move(whole, part)  # copies if `out` is on another disk
                for rest in self.scratch.glob(f"{file.name}.*"):
                    rest.unlink()
                return []
        except OSError as error:
            where, reason = error.filename or self.scratch, error.strerror or error
            raise PipelineError(f"{where}: cannot be written: {reason}; free space and run again") from error
        return [*problems, self._by_hand(file)]

    def record(self) -> list[str]:
        """Write the digests of files that have none yet to data/<name>.sha256; return the names of these files."""
        known = self.dataset.recorded
        files = [file.name for file in self.dataset.source.files() if file.is_recorded]
        new = [name for name in files if name not in known]
        if new:
            digests = {name: known.get(name) or sha256_file(self.out / name) for name in files}
            write_recorded(self.dataset.digest_file, digests)
        return new

    def _sources(self, file: RawFile) -> list[str]:
        if file.url.startswith(PACKAGED):
            return [file.url]  # installed with the project: a mirror could only be slower
        return [*(f"{m.rstrip('/')}/{self.dataset.name}/{file.name}" for m in self.settings.mirrors), file.url]

    def _by_hand(self, file: RawFile) -> str:
        mirror = next((m for m in self.settings.mirrors if not is_url(m)), "~/data-mirror").rstrip("/")
        path = f"{mirror}/{self.dataset.name}/{file.name}"
        return f"by hand: fetch {file.url}, put it at {path} and set DATA_MIRROR={mirror}"

    def _attempt(self, file: RawFile, source: str, whole: Path) -> None:
        """Leave the file with the published content at `whole`, or raise SourceError and leave nothing there."""
        resumed = False
        if is_url(source):
            resumed = download(source, whole, self.settings.timeout_s)
        else:
            _copy(source, whole)
        if wrong := self._wrong_content(file, self.scratch):
            whole.unlink()
            # the first half of a resumed file may be what is wrong: the next attempt starts over
            raise (TransientError if resumed else SourceError)(f"wrong content, {wrong}")

    def _wrong_content(self, file: RawFile, folder: Path) -> str:
        """Return what is wrong with folder/<file name>, "" if it is the published file."""
        source, path = self.dataset.source, folder / file.name
        try:
            if file.sha256:
                digests = {file.name: sha256_file(path)}
            elif file.by_content:
                digests = source.digests_of_file(file, Where(self.root, folder), self.dataset.spelled)
            else:
                digests = {}
        except DataError as error:
            return str(error)
        return "; ".join(self.dataset.wrong_digests(digests))


def _copy(source: str, whole: Path) -> None:
    """Copy from a folder or an installed package."""
    if source.startswith(PACKAGED):
        package, _, name = source.removeprefix(PACKAGED).partition("/")
        try:
            with importlib.resources.as_file(importlib.resources.files(package) / name) as path:
                shutil.copyfile(path, whole)
        except (ModuleNotFoundError, FileNotFoundError) as error:
            raise SourceError(f"the installed package {package} does not hold it; pip install --upgrade it") from error
        return
    path = Path(source).expanduser()
    if not path.is_file():
        raise SourceError("no such file")
    try:
        shutil.copyfile(path, whole)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EROFS, errno.EDQUOT):
            raise
        raise SourceError(f"cannot be copied: {error.strerror or error}") from error
