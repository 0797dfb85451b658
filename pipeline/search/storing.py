"""Store the result of a training in its trial: of a trial that is trained once, in full, or of one rung of a trial."""

from collections.abc import Sequence
from dataclasses import asdict, replace

import optuna
from optuna.trial import Trial, TrialState

from pipeline.artifacts.epoch import Epoch
from pipeline.execution.job import Failed, Finished, Result, Stopped
from pipeline.execution.retry import SEARCH
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.fidelity import Fidelity
from pipeline.search.halving import Task
from pipeline.search.sampling import TrialPruner
from pipeline.search.trials import EndedTrial, RungScore, read_trial, sources_of


def trial_of(study: optuna.Study, number: int) -> Trial:
    """Return a trial to write to."""
    return Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)


def stored(trial: Trial) -> EndedTrial:
    """Return what the study holds of a trial."""
    return read_trial(trial.study.get_trials(deepcopy=False)[trial.number], sources_of(trial.study))


def score_of(experiment: Experiment, epoch: Epoch) -> float:
    """Return the value of the objective after an epoch."""
    return float(getattr(epoch, f"val_{experiment.objective}"))


def store_whole(
    trial: Trial, result: Result | None, epochs: Sequence[Epoch], pruner: TrialPruner | None, experiment: Experiment
) -> None:
    """Store the outcome of a trial that is trained once, and close it; None: interrupted."""
    study = trial.study
    trial.set_user_attr("curves", [vars(epoch) for epoch in epochs])
    if isinstance(result, Failed):
        trial.set_user_attr("died", result.died)
        trial.set_user_attr("reason", result.reason)
    if result is None or isinstance(result, Failed):
        study.tell(trial, state=TrialState.FAIL)
        return
    if pruner:
        trial.set_user_attr("pruner", pruner.memory)
    kept = epochs[result.best_epoch - 1 if isinstance(result, Finished) else -1]
    for key, violation in _violations(experiment, kept).items():
        trial.set_constraint(key, violation)
    if isinstance(result, Stopped):
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, result.score)


def store_rung(
    trial: Trial, task: Task, result: Result, epochs: Sequence[Epoch], experiment: Experiment
) -> RungScore | None:
    """Store the score of a rung, and its mean once all seeds have ended; None: the task is to be trained again.

    The caller closes a trial that has failed under every seed.
    """
    fidelity = experiment.fidelity
    assert fidelity
    assert task.rung is not None
    if is_trained_again(trial, task, result, len(epochs)):
        return None
    before, n_seeds = stored(trial), fidelity.rungs[task.rung].seeds
    score = _rung_score(before, task, result, epochs, experiment)
    ended = replace(before, rungs=(*before.rungs, score))
    if ended.failed_at(task.rung, n_seeds):
        trial.set_user_attr("reason", score.reason)
        trial.set_user_attr("diverged", isinstance(result, Failed) and result.diverged)
        trial.set_user_attr("lost", isinstance(result, Failed) and result.died)
    elif (mean := ended.mean_score(task.rung)) is not None and ended.has_ended(task.rung, n_seeds):
        trial.report(mean, task.rung)
    trial.set_user_attr("rungs", [*trial.user_attrs["rungs"], asdict(score)])  # last: after a kill it is trained again
    return score


def is_trained_again(trial: Trial, task: Task, result: Result, n_epochs: int) -> bool:
    """Return whether a task whose worker died is trained once more, in the same trial; count the death."""
    if not (isinstance(result, Failed) and result.died):
        return False
    deaths = [*trial.user_attrs.get("deaths", []), [task.rung, task.repeat, n_epochs]]
    trial.set_user_attr("deaths", deaths)
    return SEARCH.retries([n for rung, repeat, n in deaths if (rung, repeat) == (task.rung, task.repeat)])


def _rung_score(
    trial: EndedTrial, task: Task, result: Result, epochs: Sequence[Epoch], experiment: Experiment
) -> RungScore:
    fidelity: Fidelity | None = experiment.fidelity
    assert fidelity
    assert task.rung is not None
    share = fidelity.rungs[task.rung].share
    # a prefix repeats the checks of the rungs before, whose seconds are counted there
    n_counted = task.rung if fidelity.schedule == "prefix" and trial.at(task.rung - 1, task.repeat) else 0
    seconds = sum(epoch.seconds for epoch in epochs[n_counted:])
    if not isinstance(result, Finished):
        assert isinstance(result, Failed)
        return RungScore(task.rung, share, task.repeat, score=None, seconds=seconds, reason=result.reason)
    return RungScore(
        task.rung,
        share,
        task.repeat,
        score=score_of(experiment, epochs[-1]),
        steps=result.slices[-1][0],
        parameters=result.n_parameters,
        violation=sum(max(0.0, violation) for violation in _violations(experiment, epochs[-1]).values()),
        seconds=seconds,
    )


def _violations(experiment: Experiment, epoch: Epoch) -> dict[str, float]:
    return {key: bound.violation(getattr(epoch, key)) for key, bound in experiment.constraints.items()}
