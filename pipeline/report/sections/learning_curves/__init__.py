"""Learning curves of the retrained models, and where over-fitting starts."""

from typing import Any

from pipeline.artifacts.evaluation import MODELS
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import number, percent
from pipeline.report.results import Results
from pipeline.report.section import Section
from pipeline.report.sections.learning_curves.analysis import MARGIN, MIN_EPOCHS_AFTER, milestones, overfitting
from pipeline.report.sections.learning_curves.figures import learning_curves, step_curves
from pipeline.report.table import Table


def context(results: Results) -> dict[str, Any]:
    """Return where each model over-fits, and its loss by step."""
    evaluation = results.evaluation
    starts = overfitting(evaluation.curves_by_step)
    rows = [
        [
            m.model,
            f"{m.step:,}",
            f"{m.epoch:.2f}".removesuffix(".00"),
            m.n_seeds,
            number(m.train_loss),
            number(m.val_loss),
        ]
        for m in milestones(evaluation.curves_by_step, evaluation.steps)
    ]
    return {
        "overfitting": [overfitting_sentence(model, list(starts[model].values())) for model in MODELS],
        "margin": percent(MARGIN, 0),
        "least": MIN_EPOCHS_AFTER,
        "milestones": Table(
            "Loss by step, mean over seeds: on train over the slice of steps that ends here, on val after it",
            ["model", "step", "epoch", "seeds", "loss on train", "loss on val"],
            rows,
        ),
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
    evaluation = results.evaluation
    curves = evaluation.curves_by_step
    kept = {model: [run.best_epoch for run in evaluation.runs(model)] for model in MODELS}
    return [
        Picture(
            "learning",
            png(learning_curves(curves, kept, overfitting(curves))),
            alt="Loss and macro F1 over epochs, train and val, winner above baseline, one thin line per seed.",
            caption="Per epoch: every seed (thin) and their mean (thick), as far as all seeds trained. Ticks on the "
            "axis: the epoch kept per seed. Circles: where over-fitting starts, per seed. Values on train are means "
            "over a pass, during which the weights improve; those on val are taken after it.",
        ),
        Picture(
            "steps",
            png(step_curves(curves, evaluation.steps)),
            alt="Loss on train over the steps of training, on a logarithm, a thin line per seed, with the loss on "
            "val as a point at the end of each epoch; winner on the left, baseline on the right.",
            caption="Per step: the loss on train of every seed (thin; each value the mean of a slice of a pass) and "
            "their mean (thick); points: the loss on val, at the step that ends the epoch.",
        ),
    ]


SECTION = Section(order=50, title="Learning curves", context=context, figures=draw)
