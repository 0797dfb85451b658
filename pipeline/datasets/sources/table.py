"""A table on this machine that names an image file and its class in each row."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import ClassVar

import pandas as pd
from pydantic import Field

from pipeline.core.errors import DataError, did_you_mean
from pipeline.datasets.class_folders import PART_OF_FOLDER
from pipeline.datasets.records import RawImage, file_digest, file_record
from pipeline.datasets.sources import Source, Where


class TableSource(Source):
    """`source: {table: cases.csv, image: file, label: diagnosis, group: patient}`."""

    kind: ClassVar = "table"

    table: str = Field(description="CSV or Parquet file; paths in it are relative to its folder")
    image: str = Field("image", description="column of the paths of the images")
    label: str = Field("label", description="column of the classes")
    group: str | None = Field(None, description="column of what belongs together, such as the patient")
    part: str | None = Field(None, description="column of the parts: train, val or test")

    @property
    def has_files(self) -> bool:
        """Return True."""
        return True

    def addresses(self) -> list[str]:
        """Return the folder of the table, since the images are there."""
        return [Path(self.table).parent.as_posix()]

    def read(self, where: Where, classes: Collection[str] | None) -> Iterator[RawImage]:
        """Stream the rows; a row whose file is missing has a problem."""
        path = where.root / Path(self.table).expanduser()
        table = self._rows(path)
        for row in table.itertuples(index=False):
            part = str(row.part).lower()
            if part and part not in PART_OF_FOLDER:
                raise DataError(f"{path}: column {self.part}: must be train, val or test, got {row.part!r}")
            label = str(row.label) or None
            file, name = path.parent / str(row.image), str(row.image)
            yield file_record(file, name, PART_OF_FOLDER.get(part, ""), label, str(row.group))

    def _rows(self, path: Path) -> pd.DataFrame:
        """Return image, label, group and part of each row as text."""
        try:
            if path.suffix == ".parquet":
                table = pd.read_parquet(path).astype(object).fillna("").astype(str)
            else:
                table = pd.read_csv(path, dtype=str, keep_default_na=False)
        except (OSError, ValueError, ImportError) as error:
            raise DataError(f"{path}: cannot be read: {error}") from None
        known = [str(column) for column in table]
        columns = {name: getattr(self, name) for name in ("image", "label", "group", "part")}
        missing = [name for name in columns.values() if name and name not in table]
        if missing:
            hints = [f"no column {name!r}{did_you_mean(name, known)}" for name in missing]
            raise DataError(f"{path}: has the columns {', '.join(known)}", hints)
        return pd.DataFrame({key: table[name] if name else "" for key, name in columns.items()})

    def digests(self, records: Iterable[RawImage]) -> dict[str, str]:
        """Return the digest of names and files."""
        return file_digest(records)
