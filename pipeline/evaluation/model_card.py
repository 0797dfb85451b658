"""The model card: what the models are, what they were trained and scored on, and what they are not for.

Outline: Mitchell et al. 2019, Model Cards for Model Reporting (arXiv:1810.03993). Equal results give equal cards:
dates, commit and hardware are in data/runs/evaluate/.
"""

from collections.abc import Iterable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import Evaluation, EvaluationInfo
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import DatasetInfo
from pipeline.core.files import write_text
from pipeline.core.markdown import code, escape, link, table
from pipeline.statistics.scores import LABELS, SCORES, class_scores, confusion_matrix, scores
from pipeline.statistics.units import unit_weights
from pipeline.training.network import ModelDescription

Confusions = dict[tuple[Any, Any], NDArray[np.float64]]  # model and seed -> (K, K), rows are the truth


CAVEATS = [
    "- One data set, no external validation: expect these scores only on further data of the same kind.",
    "- Thresholds and epochs were chosen on val, so scores on val are optimistic.",
]
MEDICAL_CAVEATS = [
    "- Copies were found by comparing images, patients by an older collection: others may occur in two parts.",
    "- The cases are selected, not a screening population: predictive values do not carry over to one.",
]
ETHICS = {
    False: "The data set is not medical. For consent and origin of the images see its source.",
    True: "The images are scans of people from a public collection, used under its terms. The data do not record "
    "consent or approval by an ethics committee. No image is stored with the weights.",
}
MEDICAL = {  # sections that say more about medical data
    "Intended use": "**Research only, not a medical device:** not for diagnosis, triage or screening.",
    "Factors": "Age, sex, scanner and protocol probably matter; the data do not record them.",
}


def write_model_card(evaluation: Evaluation, winner: ModelDescription, path: Path) -> None:
    """Write the card of the winner as Markdown."""
    info, dataset = evaluation.info, evaluation.dataset
    test = evaluation.predictions.query("part == 'test'")
    confusions: Confusions = {
        (model, seed): _confusion(rows, len(evaluation.classes))
        for (model, seed), rows in test.groupby(["model", "seed"], observed=True)
    }
    sections = {
        "Model details": _details(info, winner),
        "Intended use": [
            f"Question of the experiment: {escape(info.question)}",
            f"Intended for research and teaching on the data set {escape(dataset.name)}. Out of scope: images from "
            "other sources, and any decision about a person.",
        ],
        "Factors": [
            "Results are broken down by class. The data record no person, device or site to break them down by."
        ],
        "Metrics": _metrics(info),
        "Evaluation data": _data(dataset, ["test"]),
        "Training data": _data(dataset, ["train", "val"]) + _preparation(info, winner),
        "Quantitative analyses": _analyses(info, confusions),
        "Ethical considerations": [ETHICS[dataset.medical]],
        "Caveats and recommendations": ["\n".join([*CAVEATS, *(MEDICAL_CAVEATS if dataset.medical else [])])],
    }
    text = [f"# Model card: {escape(info.experiment)}"]
    for title, lines in sections.items():
        text += [f"## {title}", *lines]
        if dataset.medical and title in MEDICAL:
            text.append(MEDICAL[title])
    write_text(path, "\n\n".join(text) + "\n")


def _details(info: EvaluationInfo, winner: ModelDescription) -> list[str]:
    retrained, shapes = info.models["winner"], winner.shapes
    rows = [
        ("architecture", winner.model),
        ("options", ", ".join(f"{key}: {value}" for key, value in winner.options.items()) or "none"),
        ("trainable parameters", f"{retrained.parameters:,}"),
        ("input", f"{shapes.channels} x {shapes.height} x {shapes.width}, pixels from 0 to 255, normalised"),
        ("output", "probabilities of " + ", ".join(winner.classes)),
        ("files", ", ".join(f"winner/seed-{run.seed}.safetensors" for run in retrained.runs)),
        ("study", info.study),
        ("date, commit, versions, hardware", str(Layout().evaluation_runs(info.experiment))),
        ("licence of the weights, contact", "not recorded"),
    ]
    return [
        f"The winner of a hyperparameter search, retrained with {len(retrained.runs)} fresh seeds. `baseline/` holds "
        "the configuration it is compared with.",
        table(["item", "value"], rows),
        "Training configuration:",
        table(["parameter", "value"], retrained.config.items()),
    ]


def _confusion(rows: pd.DataFrame, n_classes: int) -> NDArray[np.float64]:
    """Return the confusion matrix of one run in groups."""
    labels, predicted, groups = (rows[name].to_numpy() for name in ("label", "predicted", "group"))
    return confusion_matrix(labels, predicted, n_classes, unit_weights(labels, groups))


def _metrics(info: EvaluationInfo) -> list[str]:
    lines = [f"{', '.join(LABELS.values())}. The search maximised {LABELS[info.objective]} on val."]
    if info.dataset.positive:
        lines.append(
            f"Positive: {escape(info.dataset.positive_meaning or ', '.join(info.dataset.positive))}. "
            "An image counts as positive if the summed probability of the positive classes reaches the threshold of "
            "the seed. Each threshold was chosen on val: the largest specificity with a sensitivity of at least "
            f"{info.min_sensitivity}."
        )
    return lines


def _data(dataset: DatasetInfo, parts: list[str]) -> list[str]:
    rows = [
        (part, name, f"{size.images:,}", f"{size.groups:,}")
        for part in parts
        for name, size in [("all", dataset.parts[part]), *dataset.parts[part].classes.items()]
    ]
    return [table(["part", "class", "images", "groups"], rows)]


def _preparation(info: EvaluationInfo, winner: ModelDescription) -> list[str]:
    dataset = info.dataset
    numbers = [", ".join(f"{value:.4g}" for value in values) for values in (winner.mean, winner.std)]
    rows = [
        ("data set", dataset.name),
        ("citation", dataset.citation),
        ("terms", dataset.terms),
        ("digest of the prepared data", dataset.digest),
        ("size of the prepared images", f"{dataset.image_shape[0]} x {dataset.image_shape[1]} pixels"),
        ("mean and standard deviation per channel", " and ".join(numbers)),
    ]
    return [
        *([f"Source: {link(dataset.source_url)}"] if dataset.source_url else []),
        table(["item", "value"], [row for row in rows if row[1]]),
        "A group is an image with its copies, and all images of its patient where the patient is known; no group is "
        f"split between parts, which are therefore disjoint by {dataset.disjoint}. In this run the test part was "
        "scored once per retrained model, after the search. How often earlier versions of the project scored it is the "
        f"ledger in {code(str(Layout().evaluation_runs(info.experiment)))}.",
    ]


def _analyses(info: EvaluationInfo, confusions: Confusions) -> list[str]:
    runs = {(model, run.seed): run for model, retrained in info.models.items() for run in retrained.runs}
    values = {key: [float(scores(confusions[key])[name]) for name in SCORES] for key in runs}
    rows = [
        (model, seed, "–" if run.threshold is None else f"{run.threshold:.6g}", *_decimals(values[model, seed]))
        for (model, seed), run in runs.items()
    ]
    for model in info.models:
        columns = list(zip(*(row for (name, _), row in values.items() if name == model), strict=True))
        rows.append((model, "mean", "", *_decimals(map(mean, columns))))
        if len(columns[0]) > 1:
            rows.append((model, "SD", "", *_decimals(map(stdev, columns))))
    of_winner = [class_scores(matrix)["recall"] for (model, _), matrix in confusions.items() if model == "winner"]
    recalls = _decimals(np.mean(of_winner, axis=0))
    return [
        "Test part, one row per seed, each group counted once:",
        table(["model", "seed", "threshold", *LABELS.values()], rows),
        "Recall of the winner by class, mean over seeds:",
        table(["class", "recall"], zip(info.dataset.classes, recalls, strict=True)),
        "Intervals, calibration and the comparison with the baseline are in the report, which "
        f"{code(f'dvc repro report@{info.experiment}')} writes to {code(f'reports/{info.experiment}')}.",
    ]


def _decimals(values: Iterable[float]) -> list[str]:
    return [f"{value:.4f}" for value in values]
