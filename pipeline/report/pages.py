"""HTML pages without requests, with styles, pictures and scripts inside, and their Markdown twins.

Templates are `*.jinja`. A page's policy names the hash of each script it holds, so no other script runs.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.core.files import write_text
from pipeline.report.formatting import count, counted, percent
from pipeline.report.markdown_twin import to_markdown
from pipeline.report.table import is_wide

FOLDER = Path(__file__).parent


def write_page(folder: Path, template: str, **content: Any) -> None:
    """Write index.html from a template, and README.md, its twin in Markdown."""
    html = render(template, **content)
    write_text(folder / "index.html", html)
    write_text(folder / "README.md", to_markdown(html))


def render(*templates: str, **content: Any) -> Markup:
    """Fill the first of the templates that exists. Every value is escaped; a missing name is an error."""
    return Markup(_environment().select_template(templates).render(**content))  # noqa: S704, escaped by Jinja


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {function.__name__: function for function in (count, counted, data_uri, is_wide, percent)}
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
