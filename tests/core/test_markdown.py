"""Markdown, read back by another implementation of CommonMark with the tables of GitHub."""

import html
import re

import pytest

from conftest import markdown_html
from pipeline.core import markdown

HOSTILE = [
    "a|b <script>alert(1)</script> *x* `y`",
    "[x](javascript:alert(1)) ![i](https://example.org/i.png)",
    "<img src=x onerror=alert(1)> &lt; $x$ ~~z~~ _u_ \\",
    "two\nlines\r\n| --- |\n# heading",
    "https://example.org www.example.org a@example.org",
]


def texts(page: str, tag: str) -> list[str]:
    """Return the text of each element that holds no other elements, as a reader sees it."""
    return [html.unescape(text) for text in re.findall(rf"<{tag}[^>]*>([^<]*)</{tag}>", page)]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_shows_as_it_is(value: str) -> None:
    page = markdown_html(f"The class {markdown.escape(value)} is text.")
    assert texts(page, "p") == [f"The class {' '.join(value.split())} is text."]
    assert "://" not in markdown.escape(value)  # nothing a host would turn into a link


def test_a_table_keeps_its_cells() -> None:
    rows = [[value, i, "–" if i else 1.5] for i, value in enumerate(HOSTILE)]
    page = markdown_html(markdown.table(["a|b", "n", "x"], rows))
    assert texts(page, "th") == ["a|b", "n", "x"]
    assert texts(page, "td") == [" ".join(str(cell).split()) for row in rows for cell in row]
    assert page.count("text-align:right") == 2 * (1 + len(rows))


@pytest.mark.parametrize("value", ["plain", "a `b` ``c``", "<b>|", "`"])
def test_code_shows_as_it_is(value: str) -> None:
    assert texts(markdown_html(f"Run {markdown.code(value)} now."), "code") == [value]


def test_only_addresses_of_the_web_are_links() -> None:
    assert 'href="https://example.org/a_b*c"' in markdown_html(markdown.link("https://example.org/a_b*c"))
    for address in ("javascript:alert(1)", "https://example.org/><script>", "https://a b"):
        assert "href" not in markdown_html(markdown.link(address))
        assert "<script>" not in markdown_html(markdown.link(address))
