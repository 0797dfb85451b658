"""The documents agree with the code: the drawn architecture is current, and every link leads to a file."""

import re
from pathlib import Path

import pytest

from docs import draw_architecture
from docs.architecture import ROOMS, ROOT, arrows, rooms_of_stage, stages

DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (".", "docs", "experiments")
    for path in (ROOT / folder).glob("*.md")
)


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


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert not [link for link in links if not (Path(ROOT / document).parent / link).exists()]
