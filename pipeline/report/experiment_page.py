"""The page of one experiment: all sections that apply to it."""

from pathlib import Path

from pipeline.report.drawing import write_pictures
from pipeline.report.pages import render, script, script_hash, write_page
from pipeline.report.results import Results
from pipeline.report.section import all_sections


def write_experiment_page(results: Results, folder: Path) -> None:
    """Write index.html, its Markdown twin and the figures as files."""
    sections = all_sections()
    contexts = {name: section.context(results) for name, section in sections.items()}
    applying = {name: context for name, context in contexts.items() if context is not None}
    cautions = [caution for context in applying.values() for caution in context.get("cautions", [])]
    shown, pictures, scripts = [], [], []
    for name, context in applying.items():
        section = sections[name]
        of_section = section.figures(results)
        code = script(f"sections/{name}/{section.script}") if section.script else ""
        text = render(
            f"sections/{name}/template.jinja",
            f"sections/{name}.jinja",
            "section.jinja",
            results=results,
            dataset=results.evaluation.dataset,
            all_cautions=cautions,
            pictures={picture.name: picture for picture in of_section},
            script=code,
            **context,
        )
        shown.append((section, text))
        pictures += of_section
        scripts += [script_hash(code)] if code else []
    write_page(
        folder,
        "experiment_page.jinja",
        experiment=results.experiment,
        dataset=results.evaluation.dataset,
        sections=shown,
        scripts=scripts,
    )
    write_pictures(folder / "figures", pictures)
