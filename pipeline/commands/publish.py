"""Write a finished search and its evaluation to MLflow again, for a fresh clone or another server."""

from pathlib import Path

from pipeline.evaluation.model_registry import publish_evaluation
from pipeline.search.result import publish_search


def run(root: Path, experiment: str, tracking_uri: str | None) -> None:
    """Write what MLflow lacks. Raises InputError if the search is missing, PipelineError if MLflow is unreachable."""
    publish_search(root, experiment, tracking_uri)
    publish_evaluation(root, experiment, tracking_uri)
