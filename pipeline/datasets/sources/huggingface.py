"""A data set of the Hugging Face Hub: the Parquet files that the Hub makes of every public set of images.

Source: https://huggingface.co/docs/dataset-viewer/parquet; <configuration>/<part>/<number>.parquet on one branch.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from pipeline.artifacts.layout import rebuild
from pipeline.core.errors import DataError, DownloadError, did_you_mean, first_line
from pipeline.core.files import write_text
from pipeline.datasets.class_folders import PART_OF_FOLDER
from pipeline.datasets.records import RawImage, file_digest
from pipeline.datasets.sources import Source, Where

REVISION = "refs/convert/parquet"
ROWS = 64  # read at a time


class HuggingfaceSource(Source):
    """`source: {huggingface: ylecun/mnist}`."""

    kind: ClassVar = "huggingface"

    huggingface: str = Field(description="name of a public data set on the Hub, with its owner")
    config: str | None = Field(None, description="its configuration; null: it has only one")
    image: str = Field("image", description="column of the images")
    label: str = Field("label", description="column of the classes")

    @property
    def has_files(self) -> bool:
        """Return True."""
        return True

    def addresses(self) -> list[str]:
        """Return nothing: the Hub knows the addresses."""
        return []

    def fetch(self, where: Where) -> None:
        """Download the parts train, validation and test, unless that was done."""
        from huggingface_hub import snapshot_download

        folder = self._folder(where)
        if self._complete(folder).is_file():
            return
        patterns = [f"{self.config or '*'}/{part}/*.parquet" for part in PART_OF_FOLDER]
        try:
            snapshot_download(
                self.huggingface, repo_type="dataset", revision=REVISION, local_dir=folder, allow_patterns=patterns
            )
            if not any(folder.glob("*/*/*.parquet")):
                raise FileNotFoundError("the Hub has no Parquet files of its parts train, validation and test")
        except Exception as error:  # the package raises errors of its own, of HTTP, OSError, ValueError, ...
            how = "download its images elsewhere, and describe them as `folder`, `table` or `archive`"
            reason = [f"huggingface_hub: {first_line(error)}"]
            raise DownloadError(f"{self.huggingface} cannot be downloaded; {how}", reason) from error
        write_text(self._complete(folder), "all parts are here\n")

    def read(self, where: Where, classes: Collection[str] | None) -> Iterator[RawImage]:
        """Stream the rows of all parts; no network is needed."""
        folder = self._folder(where)
        if not self._complete(folder).is_file():
            raise DataError(f"{self.huggingface}: not complete in {folder}; run: {rebuild(where.raw)}")
        paths = sorted(folder.glob(f"{self.config or '*'}/*/*.parquet"))
        configs = sorted({path.parts[-3] for path in paths})
        if len(configs) != 1:
            raise DataError(f"{self.huggingface}: has the configurations {', '.join(configs)}; choose one by `config`")
        for path in paths:
            part = PART_OF_FOLDER[path.parts[-2]]
            for i, (data, label) in enumerate(self._rows(path)):
                name = f"{path.relative_to(folder).as_posix()}#{i}"
                yield RawImage(name, part, label, hashlib.sha256(data).hexdigest(), data)

    def digests(self, records: Iterable[RawImage]) -> dict[str, str]:
        """Return the digest of names and files."""
        return file_digest(records)

    def _rows(self, path: Path) -> Iterator[tuple[bytes, str | None]]:
        """Yield image and class of each row."""
        from pyarrow.parquet import ParquetFile

        with ParquetFile(path) as file:
            schema = file.schema_arrow
            for column in (self.image, self.label):
                if column not in schema.names:
                    hint = did_you_mean(column, schema.names)
                    raise DataError(f"{path}: no column {column!r}, has {', '.join(schema.names)}{hint}")
            about = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
            names = about.get("info", {}).get("features", {}).get(self.label, {}).get("names")
            for batch in file.iter_batches(ROWS, columns=[self.image, self.label]):
                for row in batch.to_pylist():
                    yield (row[self.image] or {}).get("bytes") or b"", _class_name(row[self.label], names)

    def _folder(self, where: Where) -> Path:
        return where.raw / self.huggingface.replace("/", "--")

    def _complete(self, folder: Path) -> Path:
        return folder / f"complete-{self.config or 'all'}.txt"


def _class_name(label: Any, names: list[str] | None) -> str | None:
    """Return the name of a class; None where it is not published, which the Hub writes as -1."""
    if names is None:
        return None if label is None else str(label)
    return names[label] if label is not None and 0 <= label < len(names) else None
