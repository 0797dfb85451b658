"""Selection of the best trial."""

from collections.abc import Iterable

from pipeline.core.errors import PipelineError
from pipeline.search.trials import EndedTrial


def competing(trials: Iterable[EndedTrial]) -> list[EndedTrial]:
    """Return the complete trials that may win: no references, and where some trials have rungs, only these.

    Scores of trainings of different length are not compared.
    """
    complete = [trial for trial in trials if trial.state == "complete" and trial.role != "reference"]
    return [trial for trial in complete if trial.rungs] or complete


def best_trial(trials: Iterable[EndedTrial]) -> EndedTrial:
    """Return the competing trial with the highest score; ties go to the lowest slot.

    A trial that violates a constraint loses to any that keeps them all, or violates them less. Raises PipelineError if
    no trial competes.
    """
    candidates = competing(trials)
    if not candidates:
        raise PipelineError("no trial is complete; see the column `reason` of trials.csv, or the trials in MLflow")
    return max(candidates, key=lambda trial: (-trial.violation, trial.score or 0.0, -trial.slot))
