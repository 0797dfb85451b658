"""What made the numbers, and how to make them again."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pipeline.artifacts.evaluation import MODELS, Evaluation
from pipeline.artifacts.runs import EvaluationRuns, SearchRuns
from pipeline.artifacts.search_result import SearchResult
from pipeline.core.provenance import commit_text
from pipeline.report.formatting import duration
from pipeline.report.sections.reproduce import checklist

SHA256 = 64  # hexadecimal digits


def content(
    found: SearchResult,
    evaluation: Evaluation,
    runs: tuple[SearchRuns, EvaluationRuns],
    report_seed: int,
    tracking_uri: str | None,
) -> dict[str, Any]:
    """tracking_uri: of the MLflow server; None: a file in the repository."""
    study, (searched, evaluated) = found.study, runs
    one, other = searched.origin, evaluated.origin
    height, width, channels = evaluation.dataset.image_shape
    hashes = {name: str(value) for name, value in study.hashes.items() if name != "data"}
    rows = [
        ("study", study.study),
        *_twice("commit", commit_text(one.git.model_dump()), commit_text(other.git.model_dump())),
        ("data set", evaluation.dataset.name),
        ("images as prepared", f"{height} × {width} pixels, {channels} channel{'s' if channels > 1 else ''}"),
        ("digest of the prepared data", evaluation.dataset.digest),
        *((f"digest of the published {name}", value) for name, value in evaluation.dataset.digests.items()),
        *((f"hash of {name}", value) for name, value in hashes.items() if len(value) == SHA256),
        ("the study is also named by", _named({k: v for k, v in hashes.items() if len(v) != SHA256}) or "nothing"),
        *_twice("versions", _named(one.versions), _named(other.versions)),
        *_twice("hardware", _named(one.hardware, ": "), _named(other.hardware, ": ")),
        ("time", f"search {duration(searched.seconds)}, evaluate {duration(evaluated.seconds)}"),
        ("seeds", f"search {study.seed}, bootstrap of this page {report_seed}"),
    ]
    uri = _web_address(tracking_uri)
    ids = [("search", study.seed, searched.run_id)]
    ids += [(m, run.seed, evaluated.of(m, run.seed).run_id) for m in MODELS for run in evaluation.runs(m)]
    folder = f"{uri}/#/experiments/{searched.experiment_id}/runs/" if uri else None
    screening = bool(evaluation.positive)
    return {
        "rows": rows,
        "runs": [
            (what, seed, run_id, f"{folder}{run_id}" if folder and run_id else None) for what, seed, run_id in ids
        ],
        "run_ids": [(what, seed, run_id or "none") for what, seed, run_id in ids],
        "linked": uri is not None,
        "checklist": checklist.content(screening) if evaluation.dataset.medical else [],
        "places": checklist.PLACES,
    }


def _twice(name: str, search: str, evaluate: str) -> list[tuple[str, str]]:
    """One row where both stages agree."""
    return [(name, search)] if search == evaluate else [(f"{name}, search", search), (f"{name}, evaluate", evaluate)]


def _named(values: Mapping[str, Any], between: str = " ") -> str:
    return ", ".join(f"{name}{between}{'none' if value is None else value}" for name, value in values.items())


def _web_address(uri: str | None) -> str | None:
    """Without the user name and password that an address may carry; None unless a browser can open it."""
    parts = urlsplit(uri or "")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl().rstrip("/")
