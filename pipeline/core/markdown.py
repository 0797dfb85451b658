"""Markdown as code hosts read it (GitHub Flavored Markdown): plain text, code, links and tables."""

import re
from collections.abc import Iterable, Sequence

# backslashes do not stop formulas, mentions, bare links and, inside a table, a second reading of |
_SPECIAL = re.compile(r"(?P<entity>[<>&|$@]|:(?=//)|(?i:(?<=www)\.))|[\\`*_\[\]~#!]")


def escape(value: object) -> str:
    """One line that shows the value as it is; not for the start of a line, where a list or a heading may begin."""
    text = " ".join(str(value).split())
    return _SPECIAL.sub(lambda match: f"&#{ord(match[0])};" if match["entity"] else f"\\{match[0]}", text)


def code(value: object) -> str:
    """A code span, not for a table."""
    text = " ".join(str(value).split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def link(address: str) -> str:
    """As a link where it is an address of the web, else as text."""
    return f"<{address}>" if re.fullmatch(r"https?://[^\s<>|\\]+", address) else escape(address)


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Every cell escaped; columns of numbers stand on the right."""
    body = [[escape(cell) for cell in row] for row in rows]
    numbers = [all(row[i][:1] in "0123456789+−–" for row in body) for i in range(len(head))]
    ruler = ["---:" if right else ":---" for right in numbers]
    return "\n".join(f"| {' | '.join(line)} |" for line in [[escape(name) for name in head], ruler, *body])
