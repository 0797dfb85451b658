"""Style and canvas of the figures of a report.

Colours are those of Okabe and Ito (2008), which colour-blind readers can distinguish; text is readable at half width.
Figures are drawn without pyplot, so nothing global is touched and nothing has to be closed.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from numpy.typing import NDArray

BLUE, ORANGE, GREEN, PINK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7A7A7A"
PART_COLORS = {"train": BLUE, "val": ORANGE, "test": GREEN}
MODEL_COLORS = {"winner": BLUE, "baseline": ORANGE}
STATE_COLORS = {"complete": BLUE, "pruned": PINK, "failed": GREY}
WIDTH_IN, DPI = 6.4, 160

STYLE: dict[Any, Any] = {
    "figure.dpi": DPI,
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.labelsize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "legend.frameon": False,
    "text.parse_math": False,  # a class may be called $x$
}


@contextlib.contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # regardless of a matplotlibrc or another library
        mpl.rcParams.update(STYLE)
        # a name in a script the font lacks shows boxes here and its letters in the page's text
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


styled = _style()  # decorates a function that draws


def png(figure: Figure, dpi: int = DPI) -> bytes:
    """Return the figure as PNG; the same numbers give the same bytes under the same versions."""
    out = io.BytesIO()
    with _style():
        figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None})
    return out.getvalue()


def canvas(height_in: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, NDArray[Any]]:
    """Return a figure of the page's width and its axes, (rows, columns)."""
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def percents(share: float, _: float | None = None) -> str:
    """Format a tick of an axis."""
    return f"{100 * share:g} %"


def short(name: str, n: int = 18) -> str:
    """Return at most n letters."""
    return name if len(name) <= n else name[: n - 1] + "…"


def smoothing(image: NDArray[Any]) -> str:
    """Return the interpolation that shows the pixels of a small image, (H, ...), and shrinks a large one smoothly."""
    return "nearest" if len(image) < 64 else "antialiased"


@dataclass(frozen=True)
class Picture:
    """A figure on a page."""

    name: str
    png: bytes
    alt: str = ""  # for readers who cannot see it; a template may give it, and the caption, instead
    caption: str = ""
    drawn: bool = True  # made of lines and letters, so a dark page may invert it; scans are not
    run: bool = False  # differs with every run; not in the Markdown twin
