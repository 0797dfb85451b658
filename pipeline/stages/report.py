"""report: the page of one experiment, and its numbers for the summary, `dvc metrics` and `dvc plots`."""

from pipeline.artifacts.layout import Layout
from pipeline.core.files import write_json
from pipeline.report.experiment_page import write_experiment_page
from pipeline.report.numbers import report_numbers, write_plots
from pipeline.report.results import Results
from pipeline.report.settings import ReportSettings


def run(layout: Layout, experiment: str, settings: ReportSettings, tracking_uri: str | None = None) -> None:
    """Write reports/<experiment>/ and data/report/<experiment>/. tracking_uri: None for the database of the project."""
    results, folder = Results.read(layout, experiment, settings, tracking_uri), layout.reports() / experiment
    numbers = report_numbers(results)
    write_experiment_page(results, folder)
    write_plots(results, folder)
    write_json(folder / "metrics.json", numbers.info.metrics.compared())
    numbers.write(layout.report_numbers(experiment))
    from pipeline.tracking.findings import publish_findings  # imports mlflow, which no page needs

    publish_findings(layout, experiment, tracking_uri)  # after all files, none of which depends on MLflow
