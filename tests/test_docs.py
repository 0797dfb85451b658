"""The documents agree with the code: the drawn architecture is current, and every link leads to a file."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

from docs import draw_architecture
from docs.architecture import ROOMS, ROOT, arrows, rooms_of_stage, stages
from documents import DOCUMENTS, NOT_RUN, blocks, commands, text_of
from pipeline.report.experiment_page import all_sections

NAMES = re.compile(r"(?<![\w./@<*{-])((?:[\w.-]+/)*[\w-]+\.(?:py|md|jinja|js|toml|yaml|svg))(?![\w/])")
WRITTEN = {  # files that stages, commands or readers write
    "../README.md",
    "best.yaml",
    "reports/data/README.md",
    "experiments/mine.yaml",
    "search.yaml",
    "MODEL_CARD.md",
    "data/shapes.yaml",
    "experiments/shapes.yaml",
    "data/own.yaml",
}


def test_the_architecture_is_drawn_from_the_code_as_it_is() -> None:
    advice = "run `make architecture` and commit what it writes"
    assert draw_architecture.document() == draw_architecture.DOCUMENT.read_text(encoding="utf-8"), advice
    assert draw_architecture.diagram() == draw_architecture.DIAGRAM.read_text(encoding="utf-8"), advice


def test_the_diagram_has_a_dot_for_each_arrow_and_each_dependency_of_a_stage() -> None:
    between = {f"{importer} uses {room}" for importer, room in arrows() if room != "core"}
    needed = {f"{name} uses {room}" for name, stage in stages().items() for room in rooms_of_stage(stage)}
    titles = re.findall(r"<title>(.*?)</title>", draw_architecture.diagram())
    assert between
    assert sorted(titles) == sorted([*between, *(title for title in needed if not title.endswith(" core"))])


def test_every_room_has_a_row() -> None:
    rows = re.findall(r"^\| \[`(\w+)`\]", draw_architecture.tables(), re.MULTILINE)
    assert tuple(rows) == (*ROOMS, *stages())


def _walks() -> dict[str, list[tuple[str, list[tuple[str, str]]]]]:
    """Return the walks of the architecture: heading -> (stage or branch, stops as file and name) in their order."""
    text = draw_architecture.DOCUMENT.read_text(encoding="utf-8").partition("## Three walks")[2]
    walks = {}
    for walk in text.split("\n### ")[1:]:
        legs = re.split(r"^\*\*(.+)\*\*$", walk, flags=re.MULTILINE)[1:]
        stops = [re.findall(r"^\d+\. `([\w/]+\.py)`, `([\w.]+)`: ", leg, re.MULTILINE) for leg in legs[1::2]]
        walks[walk.partition("\n")[0]] = list(zip(legs[::2], stops, strict=True))
        assert sum(map(len, stops)) == len(re.findall(r"^\d+\. ", walk, re.MULTILINE)), "FILE, NAME: text"
    return walks


def test_every_stop_of_a_walk_exists() -> None:
    walks = _walks()
    assert len(walks) == 3
    for file, name in [stop for legs in walks.values() for _, stops in legs for stop in stops]:
        body = ast.parse((ROOT / file).read_bytes()).body
        for part in name.split("."):
            named = [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == part]
            assert named, f"{file} has no {name}"
            body = named[0].body


@pytest.mark.parametrize("walk", _walks())
def test_no_walk_enters_a_room_again(walk: str) -> None:
    """Except core, and where an artifact is handed over: a stage starts a new round, a branch starts at its fork."""
    legs = _walks()[walk]
    assert 10 < sum(len(stops) for _, stops in legs) <= 25
    fork: list[str] = []
    for leg, stops in legs:
        rooms = [] if leg.startswith("Stage") else list(fork)
        for file, name in stops:
            room = Path(file).parts[1]
            is_hand_over = room == "artifacts" and name.endswith((".read", ".write"))
            if room == "core" or is_hand_over or room in rooms[-1:]:
                continue
            assert room not in rooms, f"{walk}, {leg}: {file} goes back to {room}"
            rooms.append(room)
        fork = rooms if leg.startswith("Stage") else fork


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file_and_a_heading(document: str) -> None:
    folder = (ROOT / document).parent
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text_of(document)):
        name, _, anchor = link.partition("#")
        target = folder / name if name else ROOT / document
        assert target.exists(), link
        headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        assert not anchor or anchor in [
            re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings
        ], link


def test_every_make_target_is_listed_and_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([\w-]+):.*##", makefile, re.MULTILINE))
    assert targets == set(makefile.partition(".PHONY: ")[2].partition("\n")[0].split())
    assert {command.split()[1] for command in commands() if command.startswith("make ")} <= targets


def test_a_command_is_run_or_has_a_reason() -> None:
    """The end-to-end test runs all commands of the documents but those of NOT_RUN."""
    assert set(NOT_RUN) <= set(commands())
    assert len(set(commands()) - set(NOT_RUN)) > 5


def test_the_guide_to_reports_explains_sections_in_their_order() -> None:
    titles = [section.title for section in all_sections().values()]
    rows = re.findall(r"^\| ([A-Z][\w ]+) \| ", text_of("docs/report.md"), re.MULTILINE)
    assert rows
    assert rows == [title for title in titles if title in rows]


def test_every_block_has_a_language_that_is_tested() -> None:
    """Commands are in blocks of bash; the yaml and python blocks have tests of their own, text is only shown."""
    assert {language for document in DOCUMENTS for language, _ in blocks(document)} == {
        "bash",
        "dockerfile",
        "python",
        "text",
        "yaml",
    }


def test_a_term_of_the_glossary_has_one_meaning() -> None:
    terms = re.findall(r"^\| (?!term \||:---)(.*?) \| ", text_of("docs/glossary.md"), re.MULTILINE)
    words = [word for term in terms for word in term.replace("`", "").split(", ")]
    assert len(words) > 80
    assert not [word for word in set(words) if words.count(word) > 1]


def _examples() -> set[str]:
    """Return the files that the examples of CONTRIBUTING add, and their tests."""
    text = text_of("CONTRIBUTING.md")
    added = set(re.findall(r"^`([\w/.]+)`:\n```", text, re.MULTILINE))
    return added | {
        f"tests/{Path(name).parts[1]}/test_{Path(name).stem}.py" for name in added if len(Path(name).parts) > 1
    }


def _prose(path: Path) -> str:
    """Return comments and docstrings of a Python file, the comments of YAML and TOML, and the whole text of others."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return "\n".join(re.findall(r"#.*", text)) if path.suffix in (".yaml", ".toml") else text
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    nodes = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return "\n".join([*comments, *(ast.get_docstring(node) or "" for node in nodes)])


def test_every_file_named_in_a_comment_or_document_exists() -> None:
    """A path starts at a folder that holds the text; a bare name is that of any file."""
    files = [
        path
        for folder in ("pipeline", "benchmarks", "docs", "experiments", "tests", ".")
        for path in ((ROOT / folder).rglob("*") if folder != "." else ROOT.iterdir())
        if path.suffix in {".py", ".md", ".yaml", ".jinja", ".js", ".toml", ".svg"}
    ]
    known = {path.name for path in files} | WRITTEN | _examples()
    missing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        for name in NAMES.findall(_prose(path))
        if name not in known
        and not any((folder / name).exists() for folder in path.parents if folder.is_relative_to(ROOT))
    ]
    assert not missing
