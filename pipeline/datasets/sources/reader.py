"""Read which sources a data set has: `source`, or several `sources` with a name each."""

import re

from pipeline.core.yaml_document import Document, Key, validate
from pipeline.datasets.sources import Source, kinds
from pipeline.datasets.sources.joined import joined


def read_source(document: Document) -> Source | None:
    """Return what `source` or `sources` describes; None with a problem noted."""
    values = document.values
    if ("source" in values) == ("sources" in values):
        document.problem(("source",), "must be given, or several `sources`, but not both")
    elif "source" in values:
        return _source(document, values["source"], ("source",))
    elif isinstance(values["sources"], list):
        return _joined_source(document, values["sources"])
    return None


def _joined_source(document: Document, entries: list[object]) -> Source | None:
    named: dict[str, Source] = {}
    for i, entry in enumerate(entries):
        at = ("sources", i)
        values = dict(entry) if isinstance(entry, dict) else {}
        name = values.pop("name", None)
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9]\w*", name) or name in named:
            document.problem((*at, "name"), f"must be letters, digits and _, another for each source, got {name!r}")
        elif source := _source(document, values, at):
            named[name] = source
    if len({source.has_files for source in named.values()}) > 1:
        kinds_of = ", ".join(f"{name}: {source.kind}" for name, source in named.items())
        document.problem(("sources",), f"must all be image files, or all arrays, got {kinds_of}")
    if not entries:
        document.problem(("sources",), "must name a source")
    return joined(named) if named else None


def _source(document: Document, values: object, at: Key) -> Source | None:
    """Return the source of the kind that its keys name."""
    if not isinstance(values, dict):
        return None  # noted already
    known = kinds()
    named = [key for key in values if key in known]
    if len(named) != 1:
        got = ", ".join(named or map(str, values)) or "nothing"
        document.problem(at, f"must have one key of {', '.join(sorted(known))}, got {got}")
        return None
    return validate(document, known[named[0]], values, at=at)
