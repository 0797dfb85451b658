"""HTML pages that stand alone: styles, pictures and scripts inside, no request; Markdown twins. Templates: `*.jinja`.

The only scripts are the `*.js` beside; a page's policy names the hash of each it holds, so no other can run.
"""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline import markdown
from pipeline.estimates import Estimate
from pipeline.files import write_text


def write_page(path: Path, template: str, **content: Any) -> None:
    """Fills `<template>.jinja`. Every value is escaped; a name the template misses is an error."""
    write_text(path, _environment().get_template(f"{template}.jinja").render(**content))


def write_twin(path: Path, template: str, **content: Any) -> None:
    """Fills `<template>.md.jinja`: Markdown without HTML, in which every value is plain text."""

    def finalize(value: Any) -> Markup:
        return value if isinstance(value, Markup) else _markdown(markdown.escape(value))

    environment = _environment()
    environment.finalize = finalize
    environment.globals |= {
        "table": lambda head, rows: _markdown(markdown.table(head, rows)),
        "code": lambda value: _markdown(markdown.code(value)),
        "link": lambda address: _markdown(markdown.link(address)),
    }
    text = environment.get_template(f"{template}.md.jinja").render(**content)
    write_text(path, re.sub(r"\n{3,}", "\n\n", text) + "\n")


def _markdown(escaped: str) -> Markup:
    return Markup(escaped)  # noqa: S704, by the rules of Markdown


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "percent": percent, "count": count, "number": number, "p_value": p_value, "duration": duration,
        "cell": cell, "data_uri": data_uri, "percent_estimate": percent_estimate, "count_estimate": count_estimate,
        "points_estimate": points_estimate, "method": method, "dictlabels": dict_labels,
        "script": script, "script_hash": script_hash,
    }  # fmt: skip
    return environment


def data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def script(name: str) -> Markup:
    """Text of a script of ours, for inside `<script>`."""
    return Markup((Path(__file__).parent / name).read_text(encoding="utf-8"))  # noqa: S704, our own file


def script_hash(name: str) -> str:
    """As a Content-Security-Policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script(name).encode()).digest()).decode()


def percent(share: float | None, digits: int = 1) -> str:
    """Never rounds to 0 or 100 what is neither."""
    if share is None:
        return "–"
    text, least = f"{100 * share:.{digits}f}", 10.0**-digits
    if share > 0 and float(text) == 0:
        return f"<{least:.{digits}f} %"
    if share < 1 and float(text) == 100:
        return f">{100 - least:.{digits}f} %"
    return f"{text} %"


def count(value: float | None) -> str:
    """Expected persons or a plain number: whole from 10 up, else two digits that count."""
    if value is None:
        return "–"
    if value == int(value) or value >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}" if value >= 0.005 else "<0.01"


def number(value: float | None) -> str:
    """Four significant digits."""
    return "–" if value is None else f"{value:.4g}"


def p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def cell(value: Any) -> str:
    """A value of a table of parameters."""
    if value is None or value != value:  # NaN alone differs from itself
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e6 else f"{value:.4g}"
    return str(value)


def method(value: Any) -> str:
    """Name of a sampler or pruner, alone or with its options."""
    return str(value["name"] if isinstance(value, dict) else value)


def dict_labels(counts: dict[str, int]) -> list[list[str]]:
    """Rows of a table from counts by name."""
    return [[name.replace("_", " "), f"{n:,}"] for name, n in counts.items()]


def _with_ends(estimate: Estimate, show: Any, unit: str = "") -> str:
    low, high = (None if end is None else show(end).removesuffix(unit) for end in (estimate.low, estimate.high))
    if low is not None and high is not None and estimate.value is not None:
        return f"{show(estimate.value)} [{low}, {high}]"
    bound = f"at least {low}{unit}" if low is not None else f"at most {high}{unit}" if high is not None else None
    if estimate.value is None:
        return bound or "cannot be estimated"
    return f"{show(estimate.value)} ({bound or 'no interval'})"


def percent_estimate(estimate: Estimate, digits: int = 1) -> str:
    """`98.0 % [94.3, 99.3]`, or the one-sided bound."""
    return _with_ends(estimate, lambda share: percent(share, digits), " %")


def count_estimate(estimate: Estimate) -> str:
    """`1,333 [162, 4,732]`, or the one-sided bound."""
    return _with_ends(estimate, count)


def points_estimate(estimate: Estimate, digits: int = 1) -> str:
    """A difference of shares in percentage points: `+1.2 [+0.4, +2.0]`."""
    return _with_ends(estimate, lambda share: f"{100 * share:+.{digits}f}".replace("-", "−"))
