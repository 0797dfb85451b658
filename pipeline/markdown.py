"""Markdown as code hosts read it (GitHub Flavored Markdown): plain text, code and tables."""

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


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Every cell escaped; the first column on the left, the others on the right."""
    lines = [head, *rows]
    text = [f"| {' | '.join(escape(cell) for cell in line)} |" for line in lines]
    return "\n".join([text[0], f"|:---|{'---:|' * (len(head) - 1)}", *text[1:]])
