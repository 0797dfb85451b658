"""HTML pages without requests, with styles, pictures and scripts inside, and their Markdown twins; tables of a page.

Templates are `*.jinja`. A page's policy names the hash of each script it holds, so no other script runs.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.core.files import write_text, writing
from pipeline.report.drawing import Picture
from pipeline.report.formatting import count, counted, percent
from pipeline.report.markdown_twin import to_markdown

FOLDER = Path(__file__).parent
WIDE = 85  # letters: what a table as wide as one column of the page holds
Cells = Sequence[Sequence[object]]


class Link(NamedTuple):
    """A cell that leads somewhere."""

    text: str
    address: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Table:
    """A table of a section without a template."""

    caption: str
    head: Sequence[str]
    rows: Cells
    labels: int = 1  # columns on the left that name the row
    note: str = ""  # a paragraph below
    run: bool = False  # cells differ with every run (run ids, seconds, hardware): not in the Markdown twin


def is_wide(head: Sequence[str], rows: Cells) -> bool:
    """Return whether a table needs the whole width of the page."""
    longest = [max(map(len, name.split())) for name in head]
    for row in rows:
        longest = [max(n, len(str(cell))) for n, cell in zip(longest, row, strict=True)]
    return sum(longest) + 3 * len(longest) > WIDE


def write_page(folder: Path, template: str, figures: Iterable[Picture] = (), **content: Any) -> None:
    """Write index.html from a template, README.md, its twin in Markdown, and the figures; delete all other figures."""
    for old in folder.glob("figures/*.png"):
        old.unlink()
    for picture in figures:
        with writing(folder / f"figures/{picture.name}.png") as part:
            part.write_bytes(picture.png)
    html = render(template, **content)
    write_text(folder / "index.html", html)
    write_text(folder / "README.md", to_markdown(html))


def render(*templates: str, **content: Any) -> Markup:
    """Fill the first of the templates that exists. Every value is escaped; a missing name is an error."""
    return Markup(_environment().select_template(templates).render(**content))  # noqa: S704, escaped by Jinja


@cache
def _environment() -> Environment:
    loader = FileSystemLoader(FOLDER)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    filters = (count, counted, data_uri, is_wide, percent, script_hash)
    environment.filters |= {function.__name__: function for function in filters}
    return environment


def data_uri(png: bytes) -> str:
    """Return the address of a picture inside the page."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def script(path: str) -> Markup:
    """Return the text of a script of this room for inside `<script>`."""
    return Markup((FOLDER / path).read_text(encoding="utf-8"))  # noqa: S704, our own file


def script_hash(text: str) -> str:
    """Return the hash of a script as a Content-Security-Policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
