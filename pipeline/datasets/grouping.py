"""Which images belong together in addition to copies: those of a patient, by path or by DICOM header."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.core.errors import DataError
from pipeline.datasets.description import Dataset
from pipeline.datasets.medical import dicom_identifier
from pipeline.datasets.records import RawImage

NOUNS = {"PatientID": "patient", "StudyInstanceUID": "study"}  # DICOM keyword -> name of its pseudonyms
MIN_IDENTIFIER = 4  # characters; shorter ones would be found in any path


@dataclass(frozen=True)
class Grouping:
    """Section `group` of a data set, ready for use."""

    file: Path
    pattern: "re.Pattern[str] | None" = None
    keyword: str = ""  # of DICOM

    @classmethod
    def of(cls, dataset: Dataset) -> "Grouping":
        """Return the grouping of a data set."""
        about = dataset.about.group
        if not about or not about.pattern:
            return cls(dataset.file, keyword=about.dicom or "" if about else "")
        return cls(dataset.file, re.compile(about.pattern))

    def group(self, record: RawImage) -> str:
        """Return the group of an image, "" if it has none. Raises DataError if its header must name one."""
        if self.keyword:
            group = dicom_identifier(record.data, self.keyword)
        elif record.group:
            return record.group
        else:
            match = self.pattern.search(record.source.removeprefix(f"{record.origin}/")) if self.pattern else None
            group = (match[1] or "") if match else ""
        if not group:
            return record.volume
        return f"{record.origin}/{group}" if record.origin else group  # patient 7 of another source is another

    def pseudonymised(self, records: Sequence[RawImage], left_out: Iterable[str]) -> list[RawImage]:
        """Return the records with running numbers in place of identifiers of a header, else as they are.

        left_out: paths that the artifacts name too. Raises DataError if paths hold identifiers.
        """
        if not self.keyword:
            return list(records)
        identifiers = {r.source: r.group.removeprefix(f"{r.origin}/").casefold() for r in records}
        long = {identifier for identifier in identifiers.values() if len(identifier) >= MIN_IDENTIFIER}
        paths = [path for path, own in identifiers.items() if own in long and own in path.casefold()]
        paths += [path for path in left_out if any(identifier in path.casefold() for identifier in long)]
        if paths:
            how = "which the tables would keep; rename them, or group by `pattern`"
            raise DataError(f"{self.file}: {len(paths):,} paths hold the {self.keyword} of a header, {how}", paths)
        numbers: dict[str, int] = {}
        for record in records:
            numbers.setdefault(record.group, len(numbers) + 1)
        return [replace(record, group=f"{NOUNS[self.keyword]}-{numbers[record.group]}") for record in records]
