"""Learning curves of the retrained models, and where over-fitting starts."""

from typing import Any

from pipeline.artifacts.evaluation import MODELS
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import number, percent
from pipeline.report.results import Results
from pipeline.report.section import Section
from pipeline.report.sections.learning_curves.analysis import MARGIN, MIN_EPOCHS_AFTER, milestones, overfitting
from pipeline.report.sections.learning_curves.figures import learning_curves, step_curves


def context(results: Results) -> dict[str, Any]:
    """Return where each model over-fits, and its loss by step."""
    curves = results.evaluation.curves_by_step
    starts = overfitting(curves)
    rows = []
    for m in milestones(curves, results.evaluation.steps):
        epoch = f"{m.epoch:.2f}".removesuffix(".00")
        rows.append([m.model, f"{m.step:,}", epoch, m.n_seeds, number(m.train_loss), number(m.val_loss)])
    return {
        "overfitting": [overfitting_sentence(model, list(starts[model].values())) for model in MODELS],
        "margin": percent(MARGIN, 0),
        "least": MIN_EPOCHS_AFTER,
        "milestones": rows,
    }


def overfitting_sentence(model: str, starts: list[int | None]) -> str:
    """Return a sentence. starts: epoch of every seed; None: no over-fitting."""
    after = sorted(epoch for epoch in starts if epoch is not None)
    if not after:
        return f"The {model}: no over-fitting by this rule under any seed."
    epochs = str(after[0]) if after[0] == after[-1] else f"{after[0]} to {after[-1]}"
    return f"The {model} over-fits by this rule after epoch {epochs}, under {len(after)} of {len(starts)} seeds."


def draw(results: Results) -> list[Picture]:
    """Draw loss and macro F1 by epoch, and the loss by step."""
    evaluation, curves = results.evaluation, results.evaluation.curves_by_step
    kept = {model: [run.best_epoch for run in evaluation.runs(model)] for model in MODELS}
    by_epoch = learning_curves(curves, kept, overfitting(curves))
    return [Picture("learning", png(by_epoch)), Picture("steps", png(step_curves(curves, evaluation.steps)))]


SECTION = Section(order=50, title="Learning curves", context=context, figures=draw)
