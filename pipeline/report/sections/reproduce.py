"""What made the numbers, how to make them again, and what reporting guidelines ask for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from pipeline.artifacts.evaluation import MODELS
from pipeline.artifacts.runs import Origin
from pipeline.core.provenance import commit_text
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import duration
from pipeline.report.pages import Link
from pipeline.report.results import Results

SHA256 = 64  # hexadecimal digits
CHECKLIST = Path(__file__).with_name("reproduce_checklist.csv")


def context(results: Results) -> dict[str, Any]:
    """Return what names the result, where and when it was computed, and the reporting guidelines."""
    evaluation = results.evaluation
    return {
        "inputs": _inputs(results),
        "origin": _origin(results),
        "runs": mlflow_runs(results),
        "is_local": _web_address(results.tracking_uri) is None,
        "checklist": checklist(screening=bool(evaluation.positive)) if evaluation.dataset.medical else [],
    }


def checklist(*, screening: bool) -> list[Any]:
    """Return what guidelines ask: `asked`, `source`, `anchor` of the section (empty: missing), `note` why.

    Numbers: STARD 2015 (Bossuyt et al., BMJ 2015;351:h5527), which STARD-AI (Sounderajah et al., Nat Med 2025) extends,
    and TRIPOD+AI (Collins et al., BMJ 2024;385:e078378). CLAIM 2024 (Tejani et al., Radiol Artif Intell 2024) by topic.
    screening: the page has that section.
    """
    items = pd.read_csv(CHECKLIST, keep_default_na=False)
    if not screening:
        items.loc[items["anchor"] == "screening", ["anchor", "note"]] = ["", "the data set names no positive class"]
    return list(items.itertuples(index=False))


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
    runs = (results.search_runs, results.evaluation_runs)
    search, evaluate = (_places(of.origin) for of in runs)
    rows: list[tuple[str, object]] = []
    for name, value in search.items():
        both = value == evaluate[name]
        rows += [(name, value)] if both else [(f"{name}, search", value), (f"{name}, evaluate", evaluate[name])]
    seconds = [duration(of.seconds) for of in runs]
    return [*rows, ("time", f"search {seconds[0]}, evaluate {seconds[1]}")]


def _places(origin: Origin) -> dict[str, str]:
    commit = commit_text(origin.git.model_dump())
    return {"commit": commit, "versions": _listed(origin.versions), "hardware": _listed(origin.hardware, ": ")}


def _listed(values: Mapping[str, Any], between: str = " ") -> str:
    shown = {name: "none" if value is None else value for name, value in values.items()}
    return ", ".join(f"{name}{between}{value}" for name, value in shown.items())


def mlflow_runs(results: Results) -> list[tuple[str, int, Link | str]]:
    """Return model or search, seed, and run id, linked if MLflow has a web address."""
    of = results.evaluation_runs.of
    runs = [("search", results.search.study.seed, results.search_runs.run_id)]
    for model in MODELS:
        runs += [(model, run.seed, of(model, run.seed).run_id) for run in results.evaluation.runs(model)]
    uri = _web_address(results.tracking_uri)
    folder = f"{uri}/#/experiments/{results.search_runs.experiment_id}/runs/"
    rows: list[tuple[str, int, Link | str]] = []
    for name, seed, run_id in runs:
        shown = Link(run_id, f"{folder}{run_id}") if uri and run_id else run_id
        rows.append((name, seed, shown or "none: MLflow could not be reached"))
    return rows


def _web_address(uri: str | None) -> str | None:
    """Return the address without user name and password; None unless a browser can open it."""
    parts = urlsplit(uri or "")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl().rstrip("/")


SECTION = Section(order=120, title="Reproduce", context=context)
