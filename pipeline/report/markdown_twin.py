"""The Markdown twin of a page: the same text and tables without pictures, scripts and what differs with every run.

Twins are in git, so equal results must give equal files: elements with the attribute `data-run` are left out.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from bs4 import BeautifulSoup, Tag
from markdownify import ATX, MarkdownConverter

from pipeline.core import markdown

LEFT_OUT = "nav, script, style, svg, form, [hidden], [data-run]"
PREFACE = "The text of `index.html`, the page with pictures: `dvc repro` builds it, git does not hold it."
LIST_START = re.compile(r"^(\d*)([-+.)])(?=\s)")


def to_markdown(html: str) -> str:
    """Return heading and main part of a page."""
    soup = BeautifulSoup(html, "html.parser")
    for element in soup.select(LEFT_OUT):
        element.decompose()
    title, header, main = (Twin().convert_soup(soup.select_one(part)) for part in ("h1", "header .kicker", "main"))
    text = "\n\n".join(part.strip() for part in (title, header, PREFACE, main))
    return re.sub(r"\n\s*\n", "\n\n", text) + "\n"


def _around(pattern: str) -> Callable[[Any, Tag, str, set[str]], str]:
    """Return a method that writes the text of an element into the pattern."""
    return lambda self, el, text, parent_tags: pattern.format(text.strip())


class Twin(MarkdownConverter):
    """Conversion with the escapes and tables of core.markdown: a method returns the text of one kind of element."""

    class Options:
        """What differs from the defaults of markdownify."""

        heading_style = ATX
        bullets = "-"

    def escape(self, text: str, parent_tags: set[str]) -> str:
        """Return the text with every word escaped."""
        return re.sub(r"\S+", lambda word: markdown.escape(word[0]), re.sub(r"\s+", " ", text))

    def convert_p(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return a paragraph that does not start a list."""
        escaped = LIST_START.sub(r"\1\\\2", text.strip())
        return f"\n\n{escaped}\n\n"

    def convert_a(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return a link; pages link to pages, twins to twins."""
        address = str(el["href"])
        if address.startswith("http"):
            return markdown.link(address)
        return f"[{text}]({quote(address.replace('index.html', 'README.md'), safe='/#.:')})"

    def convert_code(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return text if "pre" in parent_tags else markdown.code(el.get_text())

    def convert_table(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        head, *rows = [[cell.get_text() for cell in row.select("th, td")] for row in el.select("tr")]
        caption = el.caption.get_text() if el.caption else ""
        return f"\n\n{markdown.escape(caption)}:\n\n{markdown.table(head, rows)}\n\n"

    def convert_img(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return f"{markdown.escape(el['alt'])} "

    def convert_div(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return a block, or the item of a list."""
        return text if "dl" in parent_tags else f"\n\n{text.strip()}\n\n"

    convert_dl = _around("\n\n{}\n\n")
    convert_dt = _around("\n- {}: ")
    convert_dd = _around("{}")
    convert_figure = _around("\n\n**Figure.** {}\n\n")
    convert_figcaption = _around("{}")  # in the paragraph of its figure
    convert_summary = _around("\n\n**{}**\n\n")  # what it folds is shown
