"""Draw docs/architecture.svg and write the tables of docs/architecture.md, both from the code.

Run: `make architecture`, or `python -m docs.draw_architecture`
"""

import textwrap
from collections.abc import Iterator
from html import escape

from docs.architecture import (
    ROOMS,
    ROOT,
    arrows,
    files_of_stage,
    purpose,
    rooms_of_stage,
    size,
    stages,
    stages_before,
)

DOCUMENT = ROOT / "docs/architecture.md"
DIAGRAM = ROOT / "docs/architecture.svg"
START, END = "<!-- written by make architecture: start -->", "<!-- written by make architecture: end -->"


def tables() -> str:
    """Return the generated part of docs/architecture.md."""
    between = [pair for pair in arrows() if pair[1] != "core"]
    return "\n\n".join(
        [
            f"{len(ROOMS)} rooms, {len(between)} arrows between rooms other than `core`.",
            "![The rooms in their order, what each imports, and what each stage depends on](architecture.svg)",
            "### Rooms",
            "\n".join(_room_rows()),
            "### Stages",
            "\n".join(_stage_rows()),
        ]
    )


def _room_rows() -> Iterator[str]:
    pairs = arrows()
    yield "| room | holds | imports, apart from `core` |"
    yield "| :--- | :--- | :--- |"
    for room in ROOMS:
        names = ", ".join(other for other in ROOMS if (room, other) in pairs and other != "core")
        yield f"| [`{room}`](../pipeline/{room}/__init__.py) | {purpose(room)} | {names} |"


def _stage_rows() -> Iterator[str]:
    yield "| stage | once per | depends on the rooms | reads | writes |"
    yield "| :--- | :--- | :--- | :--- | :--- |"
    for name, stage in stages().items():
        rooms = ", ".join(rooms_of_stage(stage))
        reads = " ".join(f"`{path}`" for path in files_of_stage(stage, "deps"))
        writes = " ".join(f"`{path}`" for path in files_of_stage(stage, "outs", "metrics", "plots"))
        yield f"| [`{name}`](../pipeline/stages/{name}.py) | {stage['per']} | {rooms} | {reads} | {writes} |"


# --- the diagram: rooms as boxes on a diagonal; a line runs left from a room, and up at each dot to a room it imports

BOX_WIDTH = 92
BOX_HEIGHT = 28
STEP_X = 53
ROOM_STEP_Y = 52
STAGE_STEP_Y = 40
LEFT = 66
TOP = 92
STAGES_GAP = 70
WIDTH = 1120
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1f2933 }
.title { font-size: 17px; font-weight: 600; paint-order: stroke; stroke: #ffffff; stroke-width: 8px }
.name { font-weight: 600; text-anchor: middle; fill: #ffffff }
.note { fill: #52606d; font-size: 12px }
.room { fill: #2b5c8a } .core { fill: #334e68 } .stage { fill: #2d7d6e }
.line { stroke: #9fb3c8; stroke-width: 1.3; fill: none }
.down { stroke: #bcdcd4; stroke-width: 1.3; fill: none }
.dot { fill: #2b5c8a } .stage-dot { fill: #2d7d6e } .head { fill: #829ab1 }
"""


def diagram() -> str:
    """Return the SVG: rooms as a staircase, and under it the stages of dvc.yaml."""
    names = list(stages())
    bottom = TOP + len(ROOMS) * ROOM_STEP_Y + STAGES_GAP
    height = bottom + len(names) * STAGE_STEP_Y
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-label="Rooms of the package, their imports, and the rooms that each stage depends on">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *_text(20, 34, "Rooms: each imports only rooms above it", "title"),
        *_text(20, 54, "A dot is an import of the room above it. Every room may import core; those lines are omitted."),
    ]
    used = {room: [r for r in ROOMS if (r, room) in arrows() and room != "core"] for room in ROOMS}
    rows = {name: bottom + i * STAGE_STEP_Y for i, name in enumerate(names)}
    needed = {name: [room for room in rooms_of_stage(stages()[name]) if room != "core"] for name in names}
    for room in ROOMS:
        parts += _column(room, used[room], [rows[name] for name in names if room in needed[name]])
    for room in ROOMS:
        imports = [other for other in ROOMS if room in used[other]]
        parts += _row(room, _x(room), _y(room), imports, kind="core" if room == "core" else "room")
        parts += _description(room)
    for name in names:
        parts += _row(name, _x("stages"), rows[name], needed[name], kind="stage")
        before = ", ".join(stages_before(name))
        after = f"after {before}; " if before else ""
        x = _x("stages") + BOX_WIDTH / 2 + 10
        parts += _text(x, rows[name] + 4, f"{after}once per {stages()[name]['per']}".replace("per all", "for all"))
    parts += _text(20, bottom - 34, "Stages of dvc.yaml: the rooms whose code reruns them when it changes", "title")
    return "\n".join([*parts, "</svg>"]) + "\n"


def _description(room: str) -> list[str]:
    x = _x(room) + BOX_WIDTH / 2 + 12
    text = textwrap.wrap(purpose(room).replace("`", ""), width=int((WIDTH - x) / 7), max_lines=2, placeholder=" …")
    top = _y(room) + 12 - 8 * len(text)
    return [part for i, line in enumerate(text) for part in _text(x, top + 16 * i, line)]


def _x(room: str) -> float:
    return LEFT + ROOMS.index(room) * STEP_X


def _y(room: str) -> float:
    return TOP + ROOMS.index(room) * ROOM_STEP_Y


def _text(x: float, y: float, text: str, style: str = "") -> list[str]:
    return [f'<text x="{x:g}" y="{y:g}" class="{style or "text"}">{escape(text)}</text>']


def _column(room: str, importers: list[str], stage_rows: list[float]) -> list[str]:
    """Draw the line up to a room from all rooms and stages that use it."""
    x, top = _x(room), _y(room) + BOX_HEIGHT / 2
    last = max((_y(importer) for importer in importers), default=top)
    parts = []
    if stage_rows:
        parts.append(f'<path class="down" d="M{x:g} {max(stage_rows):g}V{last:g}"/>')
    if importers or stage_rows:
        parts.append(f'<path class="line" d="M{x:g} {last:g}V{top + 6:g}"/>')
        parts.append(f'<path class="head" d="M{x:g} {top:g}l-4.5 8h9z"/>')
    return parts


def _row(name: str, x: float, y: float, uses: list[str], *, kind: str) -> list[str]:
    """Draw a box, the line to its left, and a dot at each room that it uses."""
    line, dot = ("down", "stage-dot") if kind == "stage" else ("line", "dot")
    parts = []
    if uses:
        parts.append(f'<path class="{line}" d="M{x - BOX_WIDTH / 2:g} {y:g}H{min(_x(room) for room in uses):g}"/>')
    for room in uses:
        title = f"<title>{name} uses {room}</title>"
        parts.append(f'<circle class="{dot}" cx="{_x(room):g}" cy="{y:g}" r="4">{title}</circle>')
    parts.append(
        f'<rect class="{kind}" x="{x - BOX_WIDTH / 2:g}" y="{y - BOX_HEIGHT / 2:g}" '
        f'width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="5"/>'
    )
    return parts + _text(x, y + 4.5, name, "name")


def document() -> str:
    """Return docs/architecture.md with its generated part renewed."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    return f"{before}{START}\n\n{tables()}\n\n{END}{after}"


def main() -> None:
    """Write both files; print the size of each room, which changes too often to be in them."""
    text = document()
    DOCUMENT.write_text(text, encoding="utf-8")
    DIAGRAM.write_text(diagram(), encoding="utf-8")
    print(f"wrote {DOCUMENT.relative_to(ROOT)} and {DIAGRAM.relative_to(ROOT)}")
    for room in ROOMS:
        n_modules, lines = size(room)
        print(f"{room:12}{n_modules:4} modules {lines:6,} lines")


if __name__ == "__main__":
    main()
