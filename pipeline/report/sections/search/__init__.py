"""Every trial of the search, what it cost, and why the best of N trials is optimistic."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.artifacts.evaluation import MODELS
from pipeline.artifacts.runs import SearchRuns
from pipeline.artifacts.search_result import SearchResult
from pipeline.report.drawing import STATE_COLORS, Picture, png
from pipeline.report.formatting import cell, duration, percent, percent_estimate
from pipeline.report.results import Results
from pipeline.report.section import Section
from pipeline.report.sections.search.figures import cost, history
from pipeline.report.table import Table
from pipeline.statistics.scores import LABELS


def context(results: Results) -> dict[str, Any]:
    """Return the trials, the configurations, and the score in search, retrained and on test."""
    study, trials = results.search.study, timed_trials(results.search, results.search_runs)
    best = {"winner": study.best, "baseline": study.baseline}
    retrained = {model: _retrained(results, model) for model in MODELS}
    main = results.objective
    stages = [
        [
            model,
            best[model].number,
            percent(best[model].score),
            percent(retrained[model]),
            percent_estimate(results.scores.means[main][model]),
        ]
        for model in MODELS
    ]
    n_trials = sum(study.n_trials.values())
    return {
        "study": study,
        "methods": ", ".join(str(method["name"]) for method in (study.sampler, study.pruner)),
        "stages": Table(
            f"The same score in three places: {LABELS[main]}",
            [
                "model",
                "trial",
                "best of N on validation (optimistic)",
                "retrained, mean over seeds, validation (epoch chosen on it)",
                "untouched test, mean over seeds",
            ],
            stages,
            note=f"N = {n_trials} trials. The best of N was chosen for being the largest, so part of it is luck; the "
            f"baseline was not chosen. {loss_of_retraining(study.best.score or 0.0, retrained['winner'])} Quote the "
            "last column only.",
        ),
        "states": Table("Trials by state", ["state", "trials", "share"], states(trials)),
        "seconds": Table(
            "Time of training by state", ["state", "time of training", "share"], seconds_by_state(trials), run=True
        ),
        "configurations": _configurations(results),
        "trials": _trials(results.search),
        "runs": Table(
            "Training time and MLflow run of every trial",
            ["trial", "seconds", "run id"],
            [[n, f"{s:.0f}", run_id or "none"] for n, s, run_id in trials[["number", "seconds", "run_id"]].to_numpy()],
            run=True,
        ),
    }


def _retrained(results: Results, model: str) -> float:
    """Return the score on val, mean over seeds."""
    return float(np.mean([run.val_score for run in results.evaluation.runs(model)]))


def loss_of_retraining(best: float, retrained: float) -> str:
    """Return a sentence. best: the winner's score in the search; retrained: its mean over fresh seeds."""
    points = 100 * (best - retrained)
    if round(points, 1) <= 0:
        return "Retrained under fresh seeds, the winner scores no lower on validation than in the search."
    return f"Retrained under fresh seeds, the winner scores {points:.1f} points lower on validation than in the search."


def _configurations(results: Results) -> Table:
    models = [results.evaluation.info.models[model] for model in MODELS]
    keys = dict.fromkeys(key for model in models for key in model.config)
    weights = " and ".join(
        f"{name} ({model.parameters:,} trainable weights)" for name, model in zip(MODELS, models, strict=True)
    )
    rows = [[key, *(cell(model.config.get(key)) for model in models)] for key in keys]
    return Table(f"Configurations of {weights}", ["parameter", *MODELS], rows)


def _trials(search: SearchResult) -> Table:
    tried = search.trials[search.trials["role"] != "baseline"]
    constant = [name for name in search.parameters if tried[name].nunique(dropna=False) < 2]
    unused = [] if search.study.constraints else ["violation"]
    shown = search.trials.drop(columns=["slot", *unused, *constant])
    shown = shown[[*(name for name in shown if name != "reason"), "reason"]]
    rows = [[cell(value) for value in row] for row in shown.astype(object).to_numpy()]
    numbers = search.trials["number"].tolist()
    return Table(
        "Every trial; the winner in bold",
        [str(name).replace("_", " ") for name in shown],
        rows,
        note="Empty: the parameter was not active. Parameters with one value in all trials but the baseline are in the "
        "table of configurations. The reason is that of a failure; trials.csv has the same columns.",
        chosen=numbers.index(search.study.best.number),
    )


def timed_trials(search: SearchResult, runs: SearchRuns) -> pd.DataFrame:
    """Return the trials with `seconds` of training and `run_id`."""
    table = pd.DataFrame(
        [(run.number, run.seconds, run.run_id) for run in runs.trials], columns=["number", "seconds", "run_id"]
    )
    return search.trials.merge(table, on="number", validate="one_to_one")


def states(trials: pd.DataFrame) -> list[list[object]]:
    """Return rows of state, trials and their share; the last row is the sum."""
    counts = {state: int((trials["state"] == state).sum()) for state in STATE_COLORS}
    rows: list[list[object]] = [[state, n, percent(n / len(trials))] for state, n in counts.items()]
    return [*rows, ["all", len(trials), ""]]


def seconds_by_state(trials: pd.DataFrame) -> list[list[object]]:
    """Return rows of state, time of training and its share; the last row is the sum."""
    total = float(trials["seconds"].sum())
    spent = {state: float(trials.loc[trials["state"] == state, "seconds"].sum()) for state in STATE_COLORS}
    rows: list[list[object]] = [
        [state, duration(s), percent(s / total) if total else "–"] for state, s in spent.items()
    ]
    return [*rows, ["all", duration(total), ""]]


def draw(results: Results) -> list[Picture]:
    """Draw the trials in their order, and over the time of training."""
    objective = LABELS[results.objective]
    return [
        Picture(
            "history",
            png(history(results.search.trials, objective)),
            alt=f"Scatter of the {objective} on val over the trial number, with the best so far as a rising line.",
            caption="Optimisation history. The line is the best complete trial so far: it can only rise, also by luck. "
            "A pruned trial is shown at the best score it reached.",
        ),
        Picture(
            "cost",
            png(cost(timed_trials(results.search, results.search_runs), objective)),
            alt=f"Best {objective} on val so far over the time of training; a strip below shows each trial's state.",
            caption="Time of training, one trial after the other; trials that ran side by side took less on the clock. "
            "The strip shows every trial by its state.",
            run=True,
        ),
    ]


SECTION = Section(order=30, title="Search", context=context, figures=draw)
