"""The page of one experiment: all sections that apply to it, each a module of `sections` with one object, `SECTION`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.registry import import_modules
from pipeline.report.drawing import Picture
from pipeline.report.pages import render, script, write_page
from pipeline.report.results import Results


@dataclass(frozen=True)
class Section:
    """What one section shows.

    A template, <name>.jinja next to the module or template.jinja in its folder, gets the names of the context,
    `pictures` by name, `results`, `dataset` and the `anchors` of the sections on the page. Without one, `cautions`,
    `sentences`, `tables` and pictures are shown in this order. Cautions are sentences that the verdict repeats, in
    either case.
    """

    order: int  # place on the page; those of the project are multiples of 10
    title: str
    context: Callable[[Results], dict[str, Any] | None]  # None leaves the section out
    figures: Callable[[Results], list[Picture]] = lambda _: []  # called only if there is a context
    scripts: tuple[str, ...] = ()  # JavaScript files in the folder of the section, run at the end of the page

    @property
    def anchor(self) -> str:
        """Return the id of the heading, as code hosts derive it from the title."""
        return self.title.lower().replace(" ", "-")


def all_sections() -> dict[str, Section]:
    """Return every section by the name of its module, in the order of the page."""
    modules = import_modules("pipeline.report.sections")
    sections = {module.__name__.rpartition(".")[2]: module.SECTION for module in modules}
    return dict(sorted(sections.items(), key=lambda item: item[1].order))


def write_experiment_page(results: Results, folder: Path) -> None:
    """Write index.html, its Markdown twin and the figures as files."""
    dataset, sections = results.evaluation.dataset, all_sections()
    contexts = {name: section.context(results) for name, section in sections.items()}
    applying = {name: context for name, context in contexts.items() if context is not None}
    cautions = [caution for context in applying.values() for caution in context.get("cautions", [])]
    shown, pictures, scripts = [], [], []
    for name, context in applying.items():
        section = sections[name]
        of_section = section.figures(results)
        text = render(
            f"sections/{name}/template.jinja",
            f"sections/{name}.jinja",
            "section.jinja",
            results=results,
            dataset=dataset,
            all_cautions=cautions,
            anchors=[sections[name].anchor for name in applying],
            pictures={picture.name: picture for picture in of_section},
            **context,
        )
        shown.append((section, text))
        pictures += of_section
        scripts += [script(f"sections/{name}/{file}") for file in section.scripts]
    content = {"experiment": results.experiment, "dataset": dataset, "sections": shown, "scripts": scripts}
    write_page(folder, "experiment_page.jinja", pictures, **content)
