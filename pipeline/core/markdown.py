"""GitHub Flavored Markdown: escaped text, code spans, links and tables."""

import re
from collections.abc import Iterable, Sequence

# a backslash does not escape formulas, mentions, bare links and, in a table cell, |
_SPECIAL = re.compile(r"(?P<entity>[<>&|$@]|:(?=//)|(?i:(?<=www)\.))|[\\`*_\[\]~#!]")


def escape(value: object) -> str:
    """Return one line that renders as the value; not for the start of a line, where it may begin a list or heading."""
    text = " ".join(str(value).split())
    return _SPECIAL.sub(lambda match: f"&#{ord(match[0])};" if match["entity"] else f"\\{match[0]}", text)


def code(value: object) -> str:
    """Return a code span; not for a table, where it cannot hold |."""
    text = " ".join(str(value).split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def link(address: str) -> str:
    """Return a link if the address is http(s), else escaped text."""
    return f"<{address}>" if re.fullmatch(r"https?://[^\s<>|\\]+", address) else escape(address)


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Return a table with escaped cells; columns of numbers are right-aligned."""
    body = [[escape(cell) for cell in row] for row in rows]
    numbers = [all(row[i][:1] in "0123456789+−–" for row in body) for i in range(len(head))]
    ruler = ["---:" if right else ":---" for right in numbers]
    return "\n".join(f"| {' | '.join(line)} |" for line in [[escape(name) for name in head], ruler, *body])
