"""Selection of the best trial."""

from collections.abc import Iterable

from pipeline.core.errors import PipelineError
from pipeline.search.trials import EndedTrial


def best_trial(trials: Iterable[EndedTrial]) -> EndedTrial:
    """Return the complete trial with the highest score; ties go to the lowest slot.

    A trial that violates a constraint loses to any that keeps them all, or violates them less. Raises PipelineError if
    no trial is complete.
    """
    complete = [trial for trial in trials if trial.state == "complete"]
    if not complete:
        raise PipelineError("no trial is complete; see the column `reason` of trials.csv, or the trials in MLflow")
    return max(complete, key=lambda trial: (-trial.violation, trial.score or 0.0, -trial.slot))
