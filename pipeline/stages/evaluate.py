"""evaluate: winner and baseline under fresh seeds; threshold on `val`; the test part is read here and scored once."""

from pipeline.artifacts.layout import Layout
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.execution.settings import Workspace


def run(layout: Layout, experiment: str, dataset: str, workspace: Workspace, settings: EvaluateSettings) -> None:
    """Write an Evaluation, its runs and its models."""
    evaluate(layout, experiment, dataset, workspace, settings.n_seeds, settings.min_sensitivity)
