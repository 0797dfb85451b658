"""What made the numbers, and how to make them again."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pipeline.artifacts.evaluation import MODELS
from pipeline.artifacts.runs import Origin
from pipeline.core.provenance import commit_text
from pipeline.report.formatting import duration
from pipeline.report.results import Results
from pipeline.report.section import Section
from pipeline.report.sections.reproduce.checklist import items
from pipeline.report.table import Link

SHA256 = 64  # hexadecimal digits


def context(results: Results) -> dict[str, Any]:
    """Return what names the result, where and when it was computed, and the reporting guidelines."""
    checklist = items(screening=bool(results.evaluation.positive)) if results.evaluation.dataset.medical else []
    return {
        "inputs": _inputs(results),
        "origin": _origin(results),
        "runs": mlflow_runs(results),
        "is_local": _web_address(results.tracking_uri) is None,
        "checklist": checklist,
    }


def _inputs(results: Results) -> list[tuple[str, object]]:
    study, dataset = results.search.study, results.evaluation.dataset
    height, width, channels = dataset.image_shape
    hashes = {name: str(value) for name, value in study.hashes.items() if name != "data"}
    plain = {name: value for name, value in hashes.items() if len(value) != SHA256}
    return [
        ("study", study.study),
        ("data set", dataset.name),
        ("images as prepared", f"{height} × {width} pixels, {channels} channel{'s' if channels > 1 else ''}"),
        ("digest of the prepared data", dataset.digest),
        *((f"digest of the published {name}", value) for name, value in dataset.digests.items()),
        *((f"hash of {name}", value) for name, value in hashes.items() if name not in plain),
        ("the study is also named by", _listed(plain) or "nothing"),
        ("seeds", f"search {study.seed}, bootstrap of this page {results.settings.seed}"),
    ]


def _origin(results: Results) -> list[tuple[str, object]]:
    search, evaluate = _places(results.search_runs.origin), _places(results.evaluation_runs.origin)
    rows: list[tuple[str, object]] = []
    for name, value in search.items():
        both = value == evaluate[name]
        rows += [(name, value)] if both else [(f"{name}, search", value), (f"{name}, evaluate", evaluate[name])]
    seconds = [duration(runs.seconds) for runs in (results.search_runs, results.evaluation_runs)]
    return [*rows, ("time", f"search {seconds[0]}, evaluate {seconds[1]}")]


def _places(origin: Origin) -> dict[str, str]:
    return {
        "commit": commit_text(origin.git.model_dump()),
        "versions": _listed(origin.versions),
        "hardware": _listed(origin.hardware, ": "),
    }


def _listed(values: Mapping[str, Any], between: str = " ") -> str:
    shown = {name: "none" if value is None else value for name, value in values.items()}
    return ", ".join(f"{name}{between}{value}" for name, value in shown.items())


def mlflow_runs(results: Results) -> list[tuple[str, int, Link | str]]:
    """Return model or search, seed, and run id, linked if MLflow has a web address."""
    runs = [("search", results.search.study.seed, results.search_runs.run_id)]
    for model in MODELS:
        seeds = [run.seed for run in results.evaluation.runs(model)]
        runs += [(model, seed, results.evaluation_runs.of(model, seed).run_id) for seed in seeds]
    uri = _web_address(results.tracking_uri)
    folder = f"{uri}/#/experiments/{results.search_runs.experiment_id}/runs/"
    rows: list[tuple[str, int, Link | str]] = []
    for name, seed, run_id in runs:
        shown: Link | str = Link(run_id, f"{folder}{run_id}") if uri and run_id else run_id
        rows.append((name, seed, shown or "none: MLflow could not be reached"))
    return rows


def _web_address(uri: str | None) -> str | None:
    """Return the address without user name and password; None unless a browser can open it."""
    parts = urlsplit(uri or "")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl().rstrip("/")


SECTION = Section(order=120, title="Reproduce", context=context)
