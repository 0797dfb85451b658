"""Learning curves, and where over-fitting starts."""

from typing import Any

from pipeline.artifacts.evaluation import MODELS, Evaluation
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import number, percent
from pipeline.report.sections.learning import figures as figures
from pipeline.report.sections.learning.analysis import MARGIN, MIN_EPOCHS_AFTER, milestones, overfitting


def content(evaluation: Evaluation) -> dict[str, Any]:
    starts = overfitting(evaluation.curves_by_step)
    return {
        "overfitting": [said_of_overfitting(model, list(starts[model].values())) for model in MODELS],
        "margin": percent(MARGIN, 0),
        "least": MIN_EPOCHS_AFTER,
        "milestones": [
            [
                m.model, f"{m.step:,}", f"{m.epoch:.2f}".removesuffix(".00"), m.n_seeds, number(m.train_loss),
                number(m.val_loss),
            ]
            for m in milestones(evaluation.curves_by_step, evaluation.steps)
        ],
    }  # fmt: skip


def said_of_overfitting(model: str, starts: list[int | None]) -> str:
    """starts: of every seed."""
    after = sorted(epoch for epoch in starts if epoch is not None)
    if not after:
        return f"The {model}: no over-fitting by this rule under any seed."
    epochs = str(after[0]) if after[0] == after[-1] else f"{after[0]} to {after[-1]}"
    return f"The {model} over-fits by this rule after epoch {epochs}, under {len(after)} of {len(starts)} seeds."


def draw(evaluation: Evaluation) -> dict[str, Picture]:
    curves, steps = evaluation.curves_by_step, evaluation.steps
    kept = {model: [run.best_epoch for run in evaluation.runs(model)] for model in MODELS}
    pictures = [
        Picture(
            "learning", png(figures.learning_curves(curves, kept, overfitting(curves))),
            "Loss and macro F1 over epochs, train against val, winner above baseline, one thin line per seed.",
            "Per epoch: every seed (thin) and their mean (thick), as far as all seeds trained. Ticks on the axis: the "
            "epoch kept per seed. Circles: where over-fitting starts, per seed. Values on train are means over a pass, "
            "during which the weights improve; those on val are taken after it.",
        ),
        Picture(
            "steps", png(figures.step_curves(curves, steps)),
            "Loss on train over the steps of training, on a logarithm, one thin line per seed, with the loss on val as "
            "a point at the end of each epoch; winner left, baseline right. The table below has numbers.",
            "Per step: the loss on train of every seed (thin; each value the mean of a slice of a pass) and their mean "
            "(thick); points: the loss on val, at the step that ends the epoch.",
        ),
    ]  # fmt: skip
    return {picture.name: picture for picture in pictures}
