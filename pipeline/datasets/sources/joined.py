"""Several sources as one: each keeps its name, as a folder above its files and in the column `origin`."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.core.errors import DataError
from pipeline.datasets.records import RawImage
from pipeline.datasets.sources import RawFile, Source, Where


class JoinedSource(Source):
    """The `sources` of a data set. Names of files, groups and digests are those of the parts below `<name>/`."""

    named: dict[str, Source]

    @property
    def has_files(self) -> bool:
        """Return whether the parts are image files; none or all of them are."""
        return all(source.has_files for source in self.named.values())

    def addresses(self) -> list[str]:
        """Return the addresses of all parts."""
        return [address for source in self.named.values() for address in source.addresses()]

    def read(self, where: Where, classes: Collection[str] | None) -> Iterator[RawImage]:
        """Stream the images of one part after the other. Raises DataError if arrays differ in size."""
        shapes: dict[tuple[int, ...], str] = {}
        for name, source in self.named.items():
            for record in source.read(_within(where, name), classes):
                if not isinstance(record.data, bytes):
                    shapes.setdefault(record.data.shape, name)
                if len(shapes) > 1:
                    sizes = [f"{of}: {shape}" for shape, of in shapes.items()]
                    raise DataError("arrays of several shapes cannot be joined; save them as image files", sizes)
                group = f"{name}/{record.group}" if record.group else ""  # patient 7 of another hospital is another
                yield replace(record, source=f"{name}/{record.source}", group=group, origin=name)

    def digests(self, records: Iterable[RawImage]) -> dict[str, str]:
        """Return the digests of the parts that state theirs."""
        parts: dict[str, list[RawImage]] = {name: [] for name in self.named}
        for record in records:
            parts[record.origin].append(replace(record, source=record.source.removeprefix(f"{record.origin}/")))
        stated = {name: source.digests(parts[name]) for name, source in self.named.items() if source.content}
        return _below(stated)

    def digests_of_file(self, file: RawFile, where: Where, classes: Collection[str] | None) -> dict[str, str]:
        """Return the digests of the part that a file belongs to."""
        name = file.name.partition("/")[0]
        return _below({name: self.named[name].digests_of_file(file, _within(where, name), classes)})

    def watched(self) -> str | None:
        """Return the folder that all local parts share; None if all are downloaded."""
        local = [Path(path).expanduser() for source in self.named.values() if (path := source.watched())]
        if len({path.is_absolute() for path in local}) > 1:
            local = [path.absolute() for path in local]
        return os.path.commonpath([os.path.normpath(path) for path in local]) or "." if local else None

    def files(self) -> tuple[RawFile, ...]:
        """Return the files to download, each in the folder of its part."""
        parts = [(name, file) for name, source in self.named.items() for file in source.files()]
        return tuple(replace(file, name=f"{name}/{file.name}") for name, file in parts)

    def fetch(self, where: Where) -> None:
        """Download what the libraries of the parts fetch."""
        for name, source in self.named.items():
            source.fetch(_within(where, name))


def joined(named: Mapping[str, Source]) -> JoinedSource:
    """Return several sources as one, with the digests that they state."""
    sha256 = _below({name: source.sha256 for name, source in named.items()})
    return JoinedSource(named=dict(named), sha256=sha256, content=_below({n: s.content for n, s in named.items()}))


def _within(where: Where, name: str) -> Where:
    return replace(where, raw=where.raw / name)


def _below(digests: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {f"{name}/{key}": sha256 for name, of_part in digests.items() for key, sha256 in of_part.items()}
