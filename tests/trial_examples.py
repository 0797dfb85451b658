"""A small search on rungs with known scores and hostile names, for tests of the table of trials."""

from dataclasses import replace

import pandas as pd

import contract_data
from pipeline.artifacts.configuration import SpaceEntry
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.rungs import RUNG_COLUMNS
from pipeline.artifacts.runs import SearchRuns, TrialRun
from pipeline.artifacts.search_result import SearchResult, TrialScore

HOSTILE_REASON = "</script><img src=x onerror=alert(1)> & \"'"
HOSTILE_MODEL = '"><img src=x onerror=alert(2)>'
NINTH, THIRD = 1 / 9, 1 / 3
COLUMNS = ("number", "state", "role", "rung", "share", "score", "model", "lr", "weight_decay", "cnn.width", "flip")
TRIALS = [
    (0, "complete", "baseline", 0, 1.0, 0.95, "mlp", 0.003, 0.0, None, None),  # trained whole: not at the first rung
    (1, "complete", "enqueued", 1, THIRD, 0.90, "cnn", 0.01, 0.01, 32, True),
    (2, "pruned", "search", 0, NINTH, 0.97, "cnn", 0.1, 0.02, 8, False),  # the highest score, of a short training
    (3, "complete", "search", 1, THIRD, 0.93, "mlp", 0.0005, 0.001, None, None),
    (4, "failed", "search", 0, NINTH, None, "mlp", 0.5, 0.05, None, None),
    (5, "pruned", "search", 0, NINTH, 0.60, "cnn", 0.02, 0.01, 9, True),
    (6, "pruned", "search", 0, NINTH, 0.70123456, HOSTILE_MODEL, 0.0004, 0.01, None, None),
    (7, "pruned", "search", 0, NINTH, 0.70121111, "cnn", 0.25, 0.01, 100, True),  # equal to 6 in four digits
]
FIRST_SCORES = {1: 0.80, 2: 0.97, 3: 0.85, 4: None, 5: 0.60, 6: 0.70123456, 7: 0.70121111}
ORDER = [3, 1, 0, 2, 6, 7, 5, 4]  # of the page
SPACE = [
    SpaceEntry(key="model", choices=("mlp", "cnn", HOSTILE_MODEL)),
    SpaceEntry(key="lr", low=1e-4, high=1.0, log=True),
    SpaceEntry(key="weight_decay", low=1e-3, high=0.1, log=True),
    SpaceEntry(key="cnn.width", low=8, high=100, integer=True),
    SpaceEntry(key="flip", choices=(True, False)),
]


def rung_search(experiment: str) -> SearchResult:
    trials = pd.DataFrame(TRIALS, columns=COLUMNS)
    trials["slot"] = trials["number"]
    trials["epochs"] = trials["steps"] = None
    trials["violation"] = 0.0
    trials["drawn"] = "design"
    trials["reason"] = [HOSTILE_REASON if state == "failed" else "" for state in trials["state"]]
    rows = [(n, 0, NINTH, 10, 0, 99, score, "") for n, score in FIRST_SCORES.items()]
    last = [(n, 1, THIRD, 30, 0, 99, trials["score"][n], "") for n in (1, 3)]
    rungs = pd.DataFrame(rows + last, columns=list(RUNG_COLUMNS)).astype({"score": float})
    n_seeds = [{"share": share, "best": best, "seeds": 1} for share, best in ((NINTH, 2), (THIRD, None))]
    study = contract_data.study_info(
        experiment,
        contract_data.MRI,
        space=SPACE,
        fidelity={"stratify": "model", "schedule": "whole", "rungs": n_seeds},
        importances=None,
        n_trials={"complete": 3, "pruned": 4, "failed": 1},
        best=TrialScore(number=3, score=0.93),
        baseline=TrialScore(number=0, score=0.95),
    )
    curves = pd.DataFrame({"number": [0], "epoch": [1]})
    return SearchResult(study, trials, curves, {"model": "mlp"}, {"model": "mlp"}, rungs=rungs)


def first_trials(search: SearchResult, n: int) -> SearchResult:
    """Return the search as if it had ended after n trials, none of them on rungs."""
    study = search.study.model_copy(update={"fidelity": None, "best": search.study.baseline})
    return replace(search, study=study, trials=search.trials.head(n), rungs=search.rungs.head(0))


def write_trials(layout: Layout, experiment: str, search: SearchResult) -> None:
    """Replace the search of an experiment."""
    search.write(layout.search(experiment))
    runs = [TrialRun(number=n, run_id="r", started_ms=0, ended_ms=1, epoch_seconds=[2.0]) for n in search.trials.number]
    origin = contract_data.ORIGIN
    SearchRuns(study=search.study.study, origin=origin, experiment_id="1", run_id="r", trials=runs).write(
        layout.search_runs(experiment)
    )
