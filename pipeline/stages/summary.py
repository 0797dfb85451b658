"""summary: all experiments compared, as a page and as the tables of `dvc metrics` and `dvc plots`."""

from pipeline.artifacts.layout import Layout
from pipeline.artifacts.report_numbers import ReportNumbers
from pipeline.artifacts.runs import EvaluationRuns, SearchRuns
from pipeline.core.errors import InputError
from pipeline.core.files import write_json
from pipeline.core.tables import write_spreadsheet_csv
from pipeline.report.summary import leaderboard_csv, write_summary_page


def run(layout: Layout, experiments: list[str]) -> None:
    """Write index.html, README.md, metrics.json and leaderboard.csv of reports/.

    Experiments without a report are named and left out. Raises InputError if there is no report at all.
    """
    missing = [name for name in experiments if not layout.report_numbers(name).is_dir()]
    if missing:
        print(f"not reported, and not in the summary: {', '.join(missing)}")
    if len(missing) == len(experiments):
        raise InputError(f"no experiment has a report; run: dvc repro report@{experiments[0]}")
    reports = {n: ReportNumbers.read(layout.report_numbers(n)) for n in experiments if n not in missing}
    seconds = {name: _seconds(layout, name) for name in reports}
    write_summary_page(reports, seconds, missing, layout.reports())
    metrics = {name: report.info.metrics.compared() for name, report in reports.items()}
    write_json(layout.reports() / "metrics.json", metrics)
    write_spreadsheet_csv(layout.reports() / "leaderboard.csv", leaderboard_csv(reports))


def _seconds(layout: Layout, experiment: str) -> tuple[float, float]:
    """Return the time of training of search and evaluation."""
    search = SearchRuns.read(layout.search_runs(experiment))
    return search.seconds, EvaluationRuns.read(layout.evaluation_runs(experiment)).seconds
