"""A section of the report: a module of `sections` with one object, `SECTION`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.core.registry import import_modules
from pipeline.report.drawing import Picture
from pipeline.report.results import Results


def no_figures(_: Results) -> list[Picture]:
    """Return no figure."""
    return []


@dataclass(frozen=True)
class Section:
    """What one section shows.

    A template, <name>.jinja next to the module or template.jinja in its folder, gets the names of the context,
    `pictures` by name, `results` and `dataset`. Without one, `cautions`, `sentences`, `tables` and pictures are shown
    in this order. Cautions are sentences that the verdict repeats, in either case.
    """

    order: int  # place on the page; those of the project are multiples of 10
    title: str
    context: Callable[[Results], dict[str, Any] | None]  # None leaves the section out
    figures: Callable[[Results], list[Picture]] = no_figures  # called only if there is a context
    script: str = ""  # JavaScript file in the folder of the section

    @property
    def anchor(self) -> str:
        """Return the id of the heading, as code hosts derive it from the title."""
        return self.title.lower().replace(" ", "-")


def all_sections() -> dict[str, Section]:
    """Return every section by the name of its module, in the order of the page."""
    modules = import_modules("pipeline.report.sections")
    sections = {module.__name__.rpartition(".")[2]: module.SECTION for module in modules}
    return dict(sorted(sections.items(), key=lambda item: item[1].order))
