"""What the trials of a study say: their rows, the best of them, their records for MLflow."""

from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from pipeline.artifacts.epoch import Epoch
from pipeline.core.seeds import derive_seed
from pipeline.experiment.experiment import Experiment
from pipeline.tracking.run_record import RunRecord

STATE = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


def run_name(number: int) -> str:
    """Of a trial in MLflow."""
    return f"trial-{number:04d}"


def records(study: optuna.Study, experiment: Experiment) -> list[RunRecord]:
    """What an earlier process has trained, for MLflow; trials that a killed coordinator left open are closed."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    found = []
    for trial in study.get_trials(deepcopy=False):
        attrs = trial.user_attrs
        seed = slot_seed(experiment.seed, attrs["slot"])
        record = RunRecord(run_name(trial.number), attrs["role"], attrs["config"], seed, attrs["started_ms"])
        record.epochs = [Epoch(**epoch) for epoch in attrs.get("curves", [])]
        state = "interrupted" if interrupted(trial) else STATE[trial.state]
        record.finish(state, summary(trial), attrs.get("reason", ""))
        found.append(record)
    return found


def interrupted(trial: FrozenTrial) -> bool:
    """Left by a crash or a Ctrl-C of the coordinator: no fault of the trial, which gave no reason."""
    return trial.state == TrialState.FAIL and "reason" not in trial.user_attrs


def slot_seed(seed: int, slot: int) -> int:
    """seed: of the experiment."""
    return derive_seed(seed, "trial", slot)


def summary(trial: FrozenTrial) -> dict[str, float]:
    """score: best over the epochs, on val; epochs; seconds of training. Score is missing where no epoch ended."""
    curves = trial.user_attrs.get("curves", [])
    seconds = sum(epoch["seconds"] for epoch in curves)
    score = trial_score(trial)
    return {"epochs": len(curves), "seconds": seconds} | ({} if score is None else {"score": score})


def trial_score(trial: FrozenTrial) -> float | None:
    """The told value; of a pruned trial the best it had reported."""
    if trial.state == TrialState.COMPLETE:
        return trial.value
    return max(trial.intermediate_values.values(), default=None)


def finished_trials(study: optuna.Study, experiment: Experiment) -> list[dict[str, Any]]:
    """One mapping per trial within the budget: its row of trials.csv, its `config` and its `curves`.

    A slot whose worker died once has two: the failed one and the one that was trained again.
    """
    trials = study.get_trials(deepcopy=False, states=tuple(STATE))
    within = [t for t in trials if t.user_attrs["slot"] < experiment.n_slots and not interrupted(t)]
    return [row(trial) for trial in sorted(within, key=lambda t: (t.user_attrs["slot"], t.number))]


def row(trial: FrozenTrial) -> dict[str, Any]:
    """violation: of the constraints, 0 where all are kept; started_ms, ended_ms: since 1970."""
    values = {"score": None, "violation": sum(max(0.0, v) for v in trial.constraints.values()), **summary(trial)}
    attributes = {key: trial.user_attrs[key] for key in ("role", "config", "curves")}
    assert trial.datetime_complete
    times = {
        "started_ms": trial.user_attrs["started_ms"],
        "ended_ms": round(1000 * trial.datetime_complete.timestamp()),
    }
    reference = {"slot": trial.user_attrs["slot"], "reason": trial.user_attrs.get("reason", "")}
    return {"number": trial.number, "state": STATE[trial.state], **values, **attributes, **times, **reference}
