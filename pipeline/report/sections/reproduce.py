"""What made the numbers, how to make them again, and what reporting guidelines ask for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from pipeline.artifacts.evaluation import MODELS
from pipeline.artifacts.registration import Registration
from pipeline.artifacts.runs import Ledger, Origin, Version
from pipeline.core.provenance import commit_text
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import duration, points_estimate
from pipeline.report.pages import Link
from pipeline.report.results import Results
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import LABELS

SHA256 = 64  # hexadecimal digits
MAX_VERSIONS = 5  # published versions that one test part serves; docs/data.md has the reason
CHECKLIST = Path(__file__).with_name("reproduce_checklist.csv")


def context(results: Results) -> dict[str, Any]:
    """Return what names the result, where and when it was computed, and the reporting guidelines."""
    ledger = results.evaluation_runs.ledger
    return {
        "inputs": _inputs(results),
        "registration": _registration(results),
        "ledger": ledger_text(ledger) if ledger else "How often published versions scored this test part is unknown.",
        "origin": _origin(results),
        "runs": mlflow_runs(results),
        "is_local": _web_address(results.tracking_uri) is None,
        "checklist": checklist() if results.evaluation.dataset.medical else [],
    }


def ledger_text(ledger: Ledger) -> str:
    """Return how often published versions scored the test part, and what follows."""
    n = len(ledger.earlier)
    part = "The official test part" if ledger.split_seed is None else f"The test part of split seed {ledger.split_seed}"
    if not n:
        return f"{part} has been scored by no published version before this one (test parts so far: {ledger.n_parts})."
    versions = "1 published version" if n == 1 else f"{n} published versions"
    first = ledger.earlier[0]
    text = f"{part} has been scored by {versions} before this one, first by {first.commit[:12]} of {first.date}."
    if n < MAX_VERSIONS:
        return text
    due = "It cannot be drawn again" if ledger.split_seed is None else "A new split seed is due"
    return f"{text} With this one that is more than {MAX_VERSIONS}: choices may have adapted to it. {due}."


def _registration(results: Results) -> list[tuple[str, object]]:
    """Return what was registered, since when, and what follows; empty without a registration."""
    registration, evaluation = results.search.study.registration, results.evaluation
    if registration is None:
        return []
    rows: list[tuple[str, object]] = [
        ("primary score", LABELS[registration.primary]),
        (
            "smallest difference of interest, points",
            f"{100 * registration.smallest_difference:g}, winner minus baseline",
        ),
    ]
    if registration.min_sensitivity is not None:
        used = evaluation.info.min_sensitivity
        rule = f"sensitivity of at least {registration.min_sensitivity:g} on val, then the largest specificity"
        rows.append(("threshold", rule if used == registration.min_sensitivity else f"{rule}; but {used:g} was used"))
    difference = results.scores.difference[registration.primary]
    conclusion = against_smallest(difference, registration)
    return [
        *rows,
        ("registered since", _since(results.evaluation_runs.registered)),
        ("difference on test, points [95 %]", f"{points_estimate(difference)}: {conclusion}"),
    ]


def against_smallest(difference: Estimate, registration: Registration) -> str:
    """Return how the interval of a difference lies to the smallest difference of interest; an open end is unknown."""
    least = registration.smallest_difference
    if difference.low is not None and difference.low >= least:
        return "the winner is better by more than the smallest difference of interest"
    if difference.high is not None and difference.high <= -least:
        return "the winner is worse by more than the smallest difference of interest"
    if (
        difference.low is not None
        and difference.high is not None
        and -least < difference.low <= difference.high < least
    ):
        return "smaller than the smallest difference of interest, in either direction"
    return "undecided, since the interval holds differences both smaller and larger than the one of interest"


def _since(registered: Version | None) -> str:
    return f"commit {registered.commit} of {registered.date}" if registered else "unknown, or not committed"


def checklist() -> list[Any]:
    """Return what guidelines ask: `asked`, `source`, `anchor` of the section (empty: missing), `note` why or what.

    Numbers: STARD 2015 (Bossuyt et al., BMJ 2015;351:h5527), which STARD-AI (Sounderajah et al., Nat Med 2025) extends,
    and TRIPOD+AI (Collins et al., BMJ 2024;385:e078378). By topic: CLAIM 2024 (Tejani et al., Radiol Artif Intell
    2024), PROBAST+AI (Moons et al., BMJ 2025;388:e082505), REFORMS (Kapoor et al., Sci Adv 2024;10:eadk3452) and
    Metrics Reloaded (Maier-Hein et al., Nat Methods 2024;21:195-212).
    """
    return list(pd.read_csv(CHECKLIST, keep_default_na=False).itertuples(index=False))


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
        ("seeds", f"search {study.seed}, draws of this page {results.settings.seed}"),
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
