"""evaluate: winner and baseline under fresh seeds; threshold on `val`; the test part is read here and scored once.

data/split/<dataset>, data/search/<e> -> data/evaluate/<e>/: predictions.csv, curves.csv, steps.csv, files.csv,
metrics.json, model/ (weights and MODEL_CARD.md) and inside/ (what the report shows of the winner)
"""

from pipeline.evaluation.evaluate import evaluate as run

__all__ = ["run"]
