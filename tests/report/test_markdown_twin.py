"""Twins hold the text and the tables of their pages, and every value as text."""

import re
from html import escape, unescape
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag

import contract_data
from conftest import markdown_html, markdown_rows
from pipeline.artifacts.samples import Samples
from pipeline.core.files import read_json
from pipeline.report import formatting
from pipeline.report.dataset_page import write_dataset_page
from pipeline.report.markdown_twin import to_markdown

HOSTILE = [
    "a|b <script>alert(1)</script> *x* `y`",
    "[x](javascript:alert(1)) ![i](https://example.org/i.png)",
    "&lt; $x$ ~~z~~ _u_ \\ # 1. - +",
    "- a list",
    "12. a list",
    "# a heading",
    "https://example.org www.example.org a@example.org",
]


def convert(main: str) -> str:
    return to_markdown(f"<header><p class='kicker'>k</p><h1>t</h1></header><main>{main}</main>")


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("tag", ["p", "li", "td", "strong"])
def test_a_value_shows_as_it_is(value: str, tag: str) -> None:
    escaped = escape(value)
    wrapped = {
        "p": f"<p>{escaped}</p>",
        "li": f"<ul><li>of {escaped}</li></ul>",
        "td": f"<table><caption>c</caption><tr><th>h</th></tr><tr><td>{escaped}</td></tr></table>",
        "strong": f"<p>of <strong>{escaped}</strong></p>",
    }[tag]
    soup = BeautifulSoup(markdown_html(convert(wrapped)), "html.parser")
    assert soup.select(tag)[-1].text == (f"of {value}" if tag == "li" else value)
    assert not soup.select("script, img")
    assert not soup.select("main a")


def test_what_differs_with_every_run_and_what_is_no_text_is_left_out() -> None:
    text = convert(
        "<p>shown</p><p data-run>seconds</p><div hidden>slider</div><script>code</script><form>form</form><figure>"
        "<div><img src='x' alt='it shows'></div><figcaption>caption</figcaption></figure><svg><text>x</text></svg>"
    )
    assert text.split("\n\n")[3:] == ["shown", "**Figure.** it shows", "caption\n"]


def test_pages_link_to_pages_and_twins_to_twins() -> None:
    text = convert('<p><a href="a b/index.html#x">a</a> <a href="https://example.org/">https://example.org/</a></p>')
    assert "[a](a%20b/README.md#x) <https://example.org/>" in text


def test_lists_and_folded_text() -> None:
    facts = "<dl><div><dt>a</dt><dd>1</dd></div><div><dt>b</dt><dd><code>2 `</code></dd></div></dl>"
    text = convert(f"{facts}<details><summary>More</summary><ol><li>x</li></ol></details>")
    assert text.split("\n\n")[3:] == ["- a: 1\n- b: `` 2 ` ``", "**More**", "1. x\n"]


@pytest.fixture(scope="module")
def pages(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the reports with the page of a data set next to them."""
    folder = tmp_path_factory.mktemp("data")
    info = contract_data.dataset_info("odd", contract_data.HOSTILE, contract_data.HOSTILE[:1], medical=True)
    contract_data.write_split(folder / "prepared", folder / "split", info)
    samples = [Samples.read(folder / name) for name in ("prepared", "split/development")]
    write_dataset_page(*samples, root / "reports/data/odd")
    return root / "reports"


@pytest.mark.parametrize("name", ["hostile", "perfect", "single", ".", "data/odd"])
def test_the_twin_has_every_table_and_cell_of_the_page(pages: Path, name: str) -> None:
    soup = BeautifulSoup((pages / name / "index.html").read_text(encoding="utf-8"), "html.parser")
    for left_out in soup.select("[data-run], [hidden]"):
        left_out.decompose()
    tables = soup.select("table")
    captions = {table.caption.text for table in tables if table.caption}
    html = markdown_html((pages / name / "README.md").read_text(encoding="utf-8"))
    shown = BeautifulSoup(html, "html.parser")
    assert len(captions) == len(tables) == len(shown.select("table"))
    before = {table.find_previous_sibling("p").text.removesuffix(":") for table in shown.select("table")}  # type: ignore[union-attr]
    assert before == captions
    assert list(map(cells, shown.select("table"))) == list(map(cells, tables))


def cells(table: Tag) -> list[list[str]]:
    """Return the text of every cell by row, with single spaces."""
    return [[" ".join(cell.text.split()) for cell in row.select("th, td")] for row in table.select("tr")]


@pytest.mark.parametrize("name", ["hostile", "perfect"])
def test_the_twin_holds_the_numbers_of_the_page(root: Path, name: str) -> None:
    text = (root / "reports" / name / "README.md").read_text(encoding="utf-8")
    html, rows = markdown_html(text), markdown_rows(text)
    metrics = read_json(root / "reports" / name / "metrics.json")
    for column, key in ((1, "test"), (3, "baseline_test")):  # between them: the weights that one downloads
        for score, label in (("accuracy", "accuracy"), ("macro_f1", "macro F1")):
            mean = next(row[column] for row in rows if row[0] == label and len(row) == 4)
            assert mean.split(" [")[0].split(" (")[0] == formatting.percent(metrics[key][score])
    shown = {row[0]: row[1] for row in rows if row[0] in ("false positives", "PPV")}
    s = metrics["screening"]
    numbers = [float(n.replace(",", "")) for n in re.findall(r"[\d,]*\d", shown["false positives"])]
    ends = [s[f"false_positives{end}"] for end in ("", "_low", "_high")]
    assert numbers == pytest.approx([end for end in ends if end is not None], abs=1)  # one holds six digits
    assert [row[0] for row in rows].count("winner") >= 2 * metrics["n_seeds"]  # runs and decisions
    page = (root / "reports" / name / "index.html").read_text(encoding="utf-8")
    answer = re.findall(r'<p class="answer">(.*?)</p>', page)[0]
    assert unescape(answer) in unescape(re.sub("<[^>]*>", "", html))


def test_the_twins_show_hostile_names_as_text_and_link_to_files(root: Path) -> None:
    text = (root / "reports/hostile/README.md").read_text(encoding="utf-8")
    rows = markdown_rows(text)
    assert all([row[0] for row in rows].count(name) == 4 for name in contract_data.HOSTILE)
    tags = "h[1-6]|p|a|ul|ol|li|table|thead|tbody|tr|th|td|strong|code|pre"
    for folder in (root / "reports/hostile", root / "reports/perfect", root / "reports"):
        html = markdown_html((folder / "README.md").read_text(encoding="utf-8"))
        links = [str(a["href"]) for a in BeautifulSoup(html, "html.parser").select("a")]
        files = [link for link in links if "://" not in link]
        assert len(files) > 2
        assert all((folder / link.partition("#")[0]).exists() for link in files)
        assert not re.search(f"<(?!/?({tags})\\b)", html)
