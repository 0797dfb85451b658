"""What MLflow shows of a finished experiment: question, verdict, test scores, report and model card.

Like `MlflowStudy.sync`, `publish_findings` writes what is missing, and repeated it writes nothing. Everything is read
from artifacts, so it can be written at any time, and to any server.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Run, RunTag, ViewType
from mlflow.exceptions import MlflowException

from pipeline.artifacts.evaluation import EvaluationInfo
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.report_numbers import Ends, NumbersInfo
from pipeline.artifacts.runs import SearchRuns
from pipeline.core.errors import TrackingError, first_line
from pipeline.core.markdown import code, escape, table
from pipeline.tracking.database import open_client
from pipeline.tracking.mlflow import TRAINING, UNREACHABLE, now_ms, search_runs, with_address
from pipeline.tracking.roles import Role

NOTE = "mlflow.note.content"  # a tag that the pages of MLflow show as Markdown
CONFUSIONS = ("report/confusion.png", "report/confusion_test.png")  # among the artifacts: all parts, or test alone
MAX_DESCRIPTION = 5000  # characters of a model's description in databases of servers; SQLite has no limit
RETRAINED = (Role.EVALUATE, Role.FOLD)  # their study has no number of --fresh

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Findings:
    """The report of an experiment and what it is about. study: name in MLflow, numbered if started with --fresh."""

    layout: Layout
    numbers: NumbersInfo
    evaluation: EvaluationInfo
    study: str

    @classmethod
    def read(cls, layout: Layout, experiment: str) -> "Findings":
        """Read the report. Raises DataError if a file is missing or damaged."""
        numbers = NumbersInfo.read(layout.report_numbers(experiment) / "numbers.json")
        latest = SearchRuns.read(layout.search_runs(experiment)).study
        study = latest if _unnumbered(latest) == numbers.study else numbers.study  # else: not reported yet
        return cls(layout, numbers, EvaluationInfo.read(layout.evaluate(experiment) / "metrics.json"), study)

    @property
    def pages(self) -> dict[str, Path]:
        """Return the files of the report by their path among the artifacts of the run."""
        folder = self.layout.reports() / self.numbers.experiment
        pictures = {f"report/{path.name}": path for path in sorted(folder.glob("figures/*.png"))}
        return {"index.html": folder / "index.html", **pictures}

    def metrics(self) -> dict[str, float]:
        """Return the winner's scores on test, what they are compared with, and the ends of their 95 % intervals."""
        metrics, intervals = self.numbers.metrics, self.numbers.intervals
        values = {f"test_{name}": (value, intervals.test[name]) for name, value in metrics.test.items()}
        for name, value in metrics.baseline_test.items():
            values[f"baseline_test_{name}"] = (value, intervals.baseline_test[name])
        for name, value in (metrics.cross_validation or {}).items():
            values[f"cross_validation_{name}"] = (value, (intervals.cross_validation or {})[name])
        difference, *ends = intervals.groups_right
        values["test_units_right_difference"] = (difference, (ends[0], ends[1]))
        if metrics.screening:
            values["test_sensitivity"] = (metrics.screening.sensitivity, intervals.sensitivity or (None, None))
            values["test_specificity"] = (metrics.screening.specificity, intervals.specificity or (None, None))
        return {key: value for name, of in values.items() for key, value in _with_ends(name, *of)}

    def score_table(self) -> str:
        """Return the scores of winner and baseline on test in Markdown, percent."""
        metrics, intervals = self.numbers.metrics, self.numbers.intervals
        rows = [
            (name.replace("_f1", " F1").replace("_", " "), _percent(value, intervals.test[name]),
             _percent(metrics.baseline_test[name], intervals.baseline_test[name]))
            for name, value in metrics.test.items()
        ]  # fmt: skip
        return table(["test part, % [95 % interval]", "winner", "baseline"], rows)


def publish_findings(layout: Layout, experiment: str, tracking_uri: str | None) -> None:
    """Write to MLflow what the report of an experiment shows, if there is one, and mark studies that it does not show.

    If MLflow is unreachable, or lacks the study, log a warning with the command that completes it, and return.
    Raises DataError if an artifact is damaged.
    """
    if not (layout.report_numbers(experiment) / "numbers.json").exists():
        return
    findings = Findings.read(layout, experiment)
    try:
        if not tracking_uri and not (layout.root / "mlflow.db").exists():
            raise TrackingError("there is no mlflow.db")
        if not (page := findings.pages["index.html"]).exists():
            raise TrackingError(f"there is no {page}; get it with: dvc repro report@{experiment}")
        client = open_client(layout.root.resolve(), tracking_uri)
        _write_study(client, findings, tracking_uri)
        _write_model(client, findings, tracking_uri)
    except UNREACHABLE as error:
        text = "MLflow does not show the report of %s: %s; to complete it, run: python -m pipeline publish %s"
        _log.warning(text, experiment, first_line(error), experiment)


def _write_study(client: MlflowClient, findings: Findings, uri: str | None) -> None:
    numbers = findings.numbers
    experiment = client.get_experiment_by_name(numbers.dataset)
    if experiment is None or experiment.lifecycle_stage != "active":
        raise TrackingError(f"the experiment {numbers.dataset} {'was deleted' if experiment else 'is not there'}")
    where = experiment.experiment_id
    runs = list(search_runs(client, where, f"tags.experiment = '{numbers.experiment}'"))
    study = next((run for run in runs if _is_study(run) and run.data.tags["study"] == findings.study), None)
    if study is None:
        raise TrackingError(_missing_study(client, findings, where, uri))
    for run in runs:
        _set_tags(client, run, {"current": str(_is_current(run, findings)).lower()})
    known = study.data.metrics
    new = {name: value for name, value in findings.metrics().items() if known.get(name) != value}
    if new:
        client.log_batch(study.info.run_id, [Metric(name, value, now_ms(), 0) for name, value in new.items()])
    _write_pages(client, study, findings.pages)
    tags = {"question": numbers.question, "verdict": numbers.verdict, NOTE: _study_note(findings, study)}
    _set_tags(client, study, tags)
    of_all = f"tags.role = '{Role.STUDY}' and tags.current = 'true'"
    note = "\n\n".join(_experiment_note(search_runs(client, where, of_all)))
    if experiment.tags.get(NOTE) != note:
        client.set_experiment_tag(where, NOTE, note)


def _missing_study(client: MlflowClient, findings: Findings, experiment_id: str, uri: str | None) -> str:
    query = f"tags.study = '{findings.study}' and tags.role = '{Role.STUDY}'"
    deleted = client.search_runs([experiment_id], query, run_view_type=ViewType.DELETED_ONLY, max_results=1)
    if not deleted:
        return f"the study {findings.study} is not there"
    restore = with_address(f"mlflow runs restore --run-id {deleted[0].info.run_id}", findings.layout.root, uri)
    return f"the study {findings.study} was deleted (to restore it: {restore})"


def _write_pages(client: MlflowClient, study: Run, pages: dict[str, Path]) -> None:
    """Store the pages with the run, unless they are there as they are."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in pages.values())).hexdigest()
    run_id = study.info.run_id
    there = {file.path for file in client.list_artifacts(run_id)}
    if study.data.tags.get("report_digest") == digest and {name.partition("/")[0] for name in pages} <= there:
        return
    for name, path in pages.items():
        client.log_artifact(run_id, str(path), "report" if "/" in name else None)
    client.set_tag(run_id, "report_digest", digest)


def _page(run: Run, rest: str = "") -> str:
    """Return the address of a run in the pages of MLflow, relative to them. rest: `/artifacts/…`."""
    return f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}{rest}?{TRAINING}"


def _study_note(findings: Findings, study: Run) -> str:
    """Return the description of the run, with links first: MLflow folds what does not fit into a few lines."""
    numbers = findings.numbers
    local = code(str(Layout().reports() / numbers.experiment / "index.html"))
    links, picture = [f"[Report]({_page(study, '/artifacts/index.html')})"], []
    for name in (name for name in CONFUSIONS if name in findings.pages):
        links.append(f"[confusion matrix]({_page(study, f'/artifacts/{name}')})")
        picture.append(f"![Confusion matrix](get-artifact?path={name}&run_uuid={study.info.run_id})")
    return "\n\n".join(
        [
            f"{', '.join(links)}; in the project: {local}",
            f"**{escape(numbers.question)}**",
            escape(numbers.verdict),
            findings.score_table(),
            *picture,
        ]
    )


def _experiment_note(studies: Iterable[Run]) -> Iterator[str]:
    """Yield a paragraph for each study that a report shows, by name."""
    for run in sorted(studies, key=lambda run: run.data.tags["study"]):
        tags = run.data.tags
        if "verdict" in tags:
            yield f"**{escape(tags['question'])}** {escape(tags['verdict'])} [{tags['experiment']}]({_page(run)})"


def _write_model(client: MlflowClient, findings: Findings, uri: str | None) -> None:
    name = findings.numbers.experiment
    try:
        model = client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise TrackingError(f"the model {name} is not registered") from error
    description = _model_description(findings)
    if uri and len(description) > MAX_DESCRIPTION:
        rest = f"\n\n… the whole card is {code(str(Layout().evaluate(name) / 'model/MODEL_CARD.md'))}"
        description = description[: MAX_DESCRIPTION - len(rest)].rpartition("\n")[0] + rest
    if model.description != description:
        client.update_registered_model(name, description)


def _model_description(findings: Findings) -> str:
    """Return classes, input, scores and usage of the champion, and the model card, in Markdown."""
    numbers, dataset = findings.numbers, findings.evaluation.dataset
    height, width, channels = dataset.image_shape
    shape = f"{height} × {width} pixels, {channels} channel{'s' if channels > 1 else ''}"
    use = f"from pipeline import load_champion\n\nload_champion({numbers.experiment!r}).predict(['picture.png'])"
    card = findings.layout.evaluate(numbers.experiment) / "model/MODEL_CARD.md"
    return "\n\n".join(
        [
            f"**{escape(numbers.question)}** {escape(numbers.verdict)}",
            f"Classes: {', '.join(map(escape, dataset.classes))}. Input: image files, their bytes, base64 texts or "
            f"arrays of any size; prepared as {shape}.",
            findings.score_table(),
            f"```python\n{use}\n```",
            card.read_text(encoding="utf-8"),
        ]
    )


def _set_tags(client: MlflowClient, run: Run, tags: dict[str, str]) -> None:
    new = [RunTag(key, value) for key, value in tags.items() if run.data.tags.get(key) != value]
    if new:
        client.log_batch(run.info.run_id, tags=new)


def _is_study(run: Run) -> bool:
    return bool(run.data.tags.get("role") == Role.STUDY)


def _is_current(run: Run, findings: Findings) -> bool:
    tags = run.data.tags
    name = _unnumbered(findings.study) if tags.get("role") in RETRAINED else findings.study
    return bool(tags.get("study") == name)


def _unnumbered(study: str) -> str:
    return study.partition(".")[0]


def _with_ends(name: str, value: float | None, ends: Ends) -> Iterator[tuple[str, float]]:
    for key, each in ((name, value), (f"{name}_low", ends[0]), (f"{name}_high", ends[1])):
        if each is not None:
            yield key, each


def _percent(value: float | None, ends: Ends) -> str:
    shown = ["–" if each is None else f"{100 * each:.1f}" for each in (value, *ends)]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]"
