"""Learning curves, and where over-fitting starts."""

from typing import Any

from pipeline.figures import Picture, png
from pipeline.figures import learning as figures
from pipeline.learning import MARGIN, MIN_EPOCHS_AFTER, overfitting
from pipeline.pages import percent
from pipeline.results import MODELS, Evaluation


def content(evaluation: Evaluation) -> dict[str, Any]:
    starts = overfitting(evaluation.curves)
    return {
        "overfitting": [said_of_overfitting(model, list(starts[model].values())) for model in MODELS],
        "margin": percent(MARGIN, 0),
        "least": MIN_EPOCHS_AFTER,
    }


def said_of_overfitting(model: str, starts: list[int | None]) -> str:
    """starts: of every seed."""
    after = sorted(epoch for epoch in starts if epoch is not None)
    if not after:
        return f"The {model}: no over-fitting by this rule under any seed."
    epochs = str(after[0]) if after[0] == after[-1] else f"{after[0]} to {after[-1]}"
    return f"The {model} over-fits after epoch {epochs}, under {len(after)} of {len(starts)} seeds."


def draw(evaluation: Evaluation) -> dict[str, Picture]:
    kept = {model: [run["best_epoch"] for run in evaluation.runs(model)] for model in MODELS}
    picture = Picture(
        "learning", png(figures.learning_curves(evaluation.curves, kept, overfitting(evaluation.curves))),
        "Loss and macro F1 over epochs, train against val, winner above baseline, one thin line per seed.",
        "Learning curves of every seed (thin) and their mean (thick). Ticks on the axis: the epoch kept per seed. "
        "Circles: where over-fitting starts, per seed.",
    )  # fmt: skip
    return {picture.name: picture}
