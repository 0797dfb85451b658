"""The model card: what the weights are, what they were trained and scored on, what they are not for.

Outline: Mitchell et al. 2019, Model Cards for Model Reporting (arXiv:1810.03993). Filled from what `evaluate` wrote.
"""

from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import Evaluation, EvaluationInfo
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import DatasetInfo
from pipeline.core.files import read_json, write_text
from pipeline.core.markdown import code, escape, link, table
from pipeline.statistics.scores import LABELS, SCORES, class_scores, confusion_matrix, scores

Confusions = dict[tuple[Any, Any], NDArray[np.int64]]  # (model, seed) -> (K, K), rows are the truth


def write_model_card(evaluated: Path) -> None:
    """Write model/MODEL_CARD.md into the folder of an evaluation, which has its models below model/."""
    evaluation, model = Evaluation.read(evaluated), read_json(evaluated / "model/winner/model.json")
    info, dataset = evaluation.info, evaluation.dataset
    confusions = _confusions(evaluation.predictions.query("part == 'test'"), len(evaluation.classes))
    sections = {
        "Model details": _details(info, model),
        "Intended use": _use(info),
        "Factors": _factors(dataset),
        "Metrics": _metrics(info),
        "Evaluation data": _data(dataset, ["test"]),
        "Training data": _data(dataset, ["train", "val"]) + _preparation(dataset, model),
        "Quantitative analyses": _analyses(info, confusions),
        "Ethical considerations": _ethics(dataset),
        "Caveats and recommendations": _caveats(dataset),
    }
    text = [f"# Model card: {escape(info.experiment)}"]
    for title, lines in sections.items():
        text += [f"## {title}", *lines]
    write_text(evaluated / "model/MODEL_CARD.md", "\n\n".join(text) + "\n")


def _confusions(test: pd.DataFrame, n_classes: int) -> Confusions:
    return {
        (model, seed): confusion_matrix(rows["label"].to_numpy(), rows["predicted"].to_numpy(), n_classes)
        for (model, seed), rows in test.groupby(["model", "seed"], observed=True)
    }


def _details(info: EvaluationInfo, model: dict[str, Any]) -> list[str]:
    winner, shapes = info.models["winner"], model["shapes"]
    rows = [
        ("architecture", model["model"]),
        ("its options", ", ".join(f"{key}: {value}" for key, value in model["options"].items()) or "none"),
        ("weights", f"{winner.parameters:,}"),
        ("input", f"{shapes['channels']} x {shapes['height']} x {shapes['width']}, pixels of 0 to 255, normalised"),
        ("output", "probabilities of " + ", ".join(model["classes"])),
        ("files", ", ".join(f"winner/seed-{run.seed}.safetensors" for run in winner.runs)),
        ("study", info.study),
        ("date, commit, versions, hardware", str(Layout().evaluation_runs(info.experiment))),
        ("licence of the weights, contact", "not recorded"),
    ]
    return [
        f"The winner of a hyper-parameter search, retrained under {len(winner.runs)} fresh seeds. `baseline/` holds "
        "the recipe it is compared with.",
        table(["item", "value"], rows),
        "Training configuration:",
        table(["parameter", "value"], winner.config.items()),
    ]


def _use(info: EvaluationInfo) -> list[str]:
    lines = [
        f"The question it was made for: {escape(info.question)}",
        f"Intended: research and teaching on the data set {escape(info.dataset.name)}. Out of scope: images "
        "from elsewhere and any decision about a person.",
    ]
    if info.dataset.medical:
        lines.append("**Research only, not a medical device:** not for diagnosis, triage or screening.")
    return lines


def _factors(dataset: DatasetInfo) -> list[str]:
    lines = [
        "Results are broken down by class. The prepared data name no person, device or site, so no result by them."
    ]
    if dataset.medical:
        lines.append("Age, sex, scanner and protocol are likely to matter and are unknown.")
    return lines


def _metrics(info: EvaluationInfo) -> list[str]:
    lines = [f"{', '.join(LABELS.values())}; the search maximised {LABELS[info.objective]} on val."]
    if info.dataset.positive:
        lines.append(
            f"Positive: {escape(info.dataset.positive_meaning or ', '.join(info.dataset.positive))}. "
            "Called where the summed probability of the positive classes reaches the threshold of the seed, chosen on "
            f"val: sensitivity of at least {info.min_sensitivity}, then the largest specificity."
        )
    return lines


def _data(dataset: DatasetInfo, parts: list[str]) -> list[str]:
    rows = [
        (part, name, f"{size.images:,}", f"{size.groups:,}")
        for part in parts
        for name, size in [("all", dataset.parts[part]), *dataset.parts[part].classes.items()]
    ]
    return [table(["part", "class", "images", "groups"], rows)]


def _preparation(dataset: DatasetInfo, model: dict[str, Any]) -> list[str]:
    numbers = (", ".join(f"{v:.4g}" for v in model[key]) for key in ("mean", "std"))
    size = dataset.image_px
    rows = [
        ("data set", dataset.name),
        ("citation", dataset.citation),
        ("terms", dataset.terms),
        ("digest of the prepared data", dataset.digest),
        ("size of the prepared images", f"{size} x {size} pixels"),
        ("mean and standard deviation per channel", " and ".join(numbers)),
    ]
    return [
        f"Source: {link(dataset.source_url)}",
        table(["item", "value"], rows),
        "A group holds an image with its duplicates; no group stands in two parts. The test part was read once, after "
        "the search.",
    ]


def _analyses(info: EvaluationInfo, confusions: Confusions) -> list[str]:
    runs = {(model, run.seed): run for model, found in info.models.items() for run in found.runs}
    values = {key: [float(scores(confusions[key])[name]) for name in SCORES] for key in runs}
    rows = [
        (
            model,
            seed,
            "–" if run.threshold is None else f"{run.threshold:.6g}",
            *(f"{v:.4f}" for v in values[model, seed]),
        )
        for (model, seed), run in runs.items()
    ]
    for model in info.models:
        columns = list(zip(*(row for (name, _), row in values.items() if name == model), strict=True))
        rows.append((model, "mean", "", *(f"{mean(column):.4f}" for column in columns)))
        if len(columns[0]) > 1:
            rows.append((model, "SD", "", *(f"{stdev(column):.4f}" for column in columns)))
    found = [class_scores(matrix)["recall"] for (model, _), matrix in confusions.items() if model == "winner"]
    recalls = [f"{value:.4f}" for value in np.mean(found, axis=0)]
    experiment = info.experiment
    return [
        "Test part, one row per seed:",
        table(["model", "seed", "threshold", *LABELS.values()], rows),
        "Recall of the winner by class, mean over seeds:",
        table(["class", "recall"], zip(info.dataset.classes, recalls, strict=True)),
        "Intervals, calibration and the comparison with the baseline stand in the report: "
        f"{code(f'dvc repro report@{experiment}')} writes it to {code(f'reports/{experiment}')}.",
    ]


def _ethics(dataset: DatasetInfo) -> list[str]:
    if not dataset.medical:
        return ["The data set is not medical. Consent and origin of the images: see its source."]
    return [
        "Scans of people, taken from a public collection under its terms. Consent and approval by an ethics committee "
        "are not recorded in the data. No image is stored with the weights."
    ]


def _caveats(dataset: DatasetInfo) -> list[str]:
    lines = [
        "- One data set, no external validation: expect these scores on more data of the same kind only.",
        "- Thresholds and the kept epochs were chosen on val; scores on val are optimistic.",
    ]
    if dataset.medical:
        lines += [
            "- Duplicates were found by comparing pictures; nobody is named, so one person may stand in two parts.",
            "- Selected cases are no screening population: predictive values do not carry over to one.",
        ]
    return ["\n".join(lines)]
