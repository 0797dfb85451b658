"""TODO search.selection."""

from typing import Any

from pipeline.core.errors import PipelineError


def best_trial(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the complete ones that of highest score, of equals that of the first slot; none that violates a constraint if
    another keeps them all, or violates them less. Raises PipelineError if there is none."""
    complete = [trial for trial in trials if trial["state"] == "complete"]
    if not complete:
        raise PipelineError("no trial was completed; the reasons stand in the table of trials and in MLflow")
    return max(complete, key=lambda trial: (-trial["violation"], trial["score"], -trial["slot"]))
