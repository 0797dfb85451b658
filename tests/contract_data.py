"""Small generated artifacts of `prepare`, `split`, `search` and `evaluate`, for tests of what reads them."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.artifacts.configuration import SpaceEntry
from pipeline.artifacts.cross_validation import COPIES, FOLD_TYPES, GROUP, CrossValidation, FoldRun, FoldsInfo
from pipeline.artifacts.evaluation import Evaluation, EvaluationInfo, Retrained, RetrainedModel
from pipeline.artifacts.explanations import LAYER_TYPES, Explanations, ExplanationsInfo
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.predictions import probability_columns
from pipeline.artifacts.robustness import ROBUSTNESS_COLUMNS, Robustness
from pipeline.artifacts.runs import EvaluationRuns, GitState, Origin, RetrainingRun, SearchRuns, TrialRun
from pipeline.artifacts.samples import COLUMNS, DatasetInfo, PartSize, Samples, Size
from pipeline.artifacts.search_result import SearchResult, StudyInfo, TrialScore
from pipeline.report.settings import ReportSettings, ScreeningSettings

HOSTILE = ["<script>alert(1)</script>", "=1+1", "naïve $x$ & a|b *c* `d`"]


def dataset_info(name: str, classes: list[str], positive: list[str], medical: bool = False) -> DatasetInfo:
    return DatasetInfo(
        name=name,
        classes=classes,
        positive=positive,
        positive_meaning=f"any of {', '.join(positive)}" if positive else None,
        medical=medical,
        image_shape=(8, 8, 1),
        counts={
            "images": 660,
            "groups": 600,
            "kept_images": 650,
            "duplicates": 60,
            "images_of_known_patients": 0,
            "known_patients": 0,
            "label_conflict_groups": 2,
            "label_conflict_images": 10,
        },
        digests={"files": hashlib.sha256(name.encode()).hexdigest()},
        digest=hashlib.sha256(name.encode() * 2).hexdigest(),
        terms="generated, free of terms",
        citation="Nobody 2024",
        source_url="https://example.org/data",
        near_duplicate_bits=None,
        hash_size=8,
        parts=sizes(train=(440, 400), val=(110, 100), test=(110, 100)),
        dropped={"label conflict": 10},
    )


def sizes(**parts: tuple[int, int]) -> dict[str, PartSize]:
    """Return the sizes of parts, each given as (images, groups)."""
    return {part: PartSize(images=images, groups=groups) for part, (images, groups) in parts.items()}


def with_parts(info: DatasetInfo, **parts: tuple[int, int]) -> DatasetInfo:
    return info.model_copy(update={"parts": sizes(**parts)})


def _samples(info: DatasetInfo, rng: np.random.Generator) -> pd.DataFrame:
    """Return one row per image; some groups hold two images, and every group has one class and one part."""
    rows = []
    for part, size in info.parts.items():
        n_groups = size.groups
        group = np.concatenate([np.arange(n_groups), rng.integers(0, n_groups, size.images - n_groups)])
        label = np.arange(n_groups) % len(info.classes)
        rows += [(part, f"{part}-{g}", int(label[g])) for g in group]
    table = pd.DataFrame(rows, columns=["part", "group", "label"])
    table["sha256"] = [hashlib.sha256(str(row).encode()).hexdigest() for row in range(len(table))]
    table["group"] = table["group"].map(lambda g: hashlib.sha256(g.encode()).hexdigest()[:12])
    table["sample"] = table["sha256"].str[:12]
    return table.sort_values("sha256", ignore_index=True)


def project(root: Path, digits_split: Path, experiment: str, name: str = "quick") -> Layout:
    """Make a root with the split digits and one experiment file, ready for a search."""
    layout = Layout(root)
    layout.split("digits").parent.mkdir(parents=True, exist_ok=True)
    layout.split("digits").symlink_to(digits_split, target_is_directory=True)
    layout.experiment_file(name).parent.mkdir(exist_ok=True)
    layout.experiment_file(name).write_text(experiment)
    return layout


def write_split(prepared: Path, split: Path, info: DatasetInfo, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    table = _samples(info, rng)
    classes = np.array(info.classes)
    table["class"] = classes[table["label"]]
    table["official_part"] = rng.choice(["train", "test"], len(table))
    table["source"] = "archive"
    table["format"] = rng.choice(["JPEG", "PNG"], len(table), p=[0.9, 0.1])
    table["mode"] = rng.choice(["L", "RGB"], len(table))
    table["width"], table["height"] = rng.choice([8, 12, 16], len(table)), rng.choice([8, 10], len(table))
    first = table.groupby("group").cumcount() == 0
    pictures = rng.integers(0, 256, (len(table), *info.image_shape), dtype=np.uint8)
    pictures[~first] = pictures[table.index[first]][
        pd.Index(table.loc[first, "group"]).get_indexer(table.loc[~first, "group"])
    ]
    table["copies"] = table["group"]
    table["origin"], table["patient"] = "", ""
    for folder, keep in (
        (prepared, table["part"].notna()),
        (split / "development", table["part"] != "test"),
        (split / "test", table["part"] == "test"),
    ):
        parts = {}
        for part, size in info.parts.items():
            classes_of = table[table["part"] == part].groupby("class")
            counts = {str(name): Size(images=len(rows), groups=rows["group"].nunique()) for name, rows in classes_of}
            parts[part] = PartSize(images=size.images, groups=size.groups, classes=counts)
        names = list(COLUMNS)[: -1 if folder == prepared else None]
        Samples(pictures[keep], table.loc[keep, names], info.model_copy(update={"parts": parts})).write(folder)


ORIGIN = Origin(
    git=GitState(commit="c" * 40, dirty=True),
    versions={"python": "3.11.7", "torch": "2.15.0"},
    hardware={"cpu": "Generated CPU", "cores": 2, "memory_gib": 8, "gpu": None},
)


WHOLE = {"rung": 0, "share": 1.0, "steps": None}  # columns of a trial of a search without fidelity


def study_info(experiment: str, info: DatasetInfo, **fields: Any) -> StudyInfo:
    """fields: of StudyInfo, at least n_trials, best and baseline."""
    keys = ("model", "lr", "batch_size", "cnn.width", "flip")
    shared: dict[str, Any] = {
        "study": f"{experiment}@0123456789ab",
        "experiment": experiment,
        "dataset": info.name,
        "question": "Does a tuned network beat the practical's own recipe?",
        "objective": "macro_f1",
        "sampler": {"name": "tpe", "startup_trials": 4},
        "pruner": {"name": "median", "startup_trials": 3},
        "seed": 1,
        "hashes": {"space": "a" * 64, "data": info.digest, "code": "b" * 64},
        "space": [SpaceEntry(key=key, log=key == "lr") for key in keys],
        "constraints": {},
        "importances": {"lr": 0.7, "batch_size": 0.2, "model": 0.1},
        "variations": [],
        "sources": [],
        "threads": 1,
    }
    return StudyInfo(**shared | fields)


def write_search(layout: Layout, experiment: str, info: DatasetInfo, n_trials: int = 12, seed: int = 0) -> None:
    """Write a search whose trial 0 is the baseline, 3 is pruned, 5 failed, and the others are complete."""
    rng = np.random.default_rng(seed)
    trials, curves, runs = [], [], []
    for number in range(n_trials):
        state = {3: "pruned", 5: "failed"}.get(number, "complete")
        model = "cnn" if number % 3 else "mlp"
        score = float(rng.uniform(0.7, 0.97))
        epochs = {"pruned": 2, "failed": 1}.get(state, 6)
        seconds = round(float(rng.uniform(5, 20)), 2)
        trials.append(
            {
                "number": number,
                "slot": number,
                "state": state,
                "score": None if state == "failed" else score,
                "epochs": epochs,
                "role": "search" if number else "baseline",
                "violation": 0.0,
                **WHOLE,
                "drawn": "tpe" if number else "given",
                "reason": "the loss is nan" if state == "failed" else "",
                "model": model,
                "lr": float(10 ** rng.uniform(-4, -1)),
                "batch_size": int(rng.choice([64, 128, 256])),
                "cnn.width": int(rng.choice([8, 16, 32])) if model == "cnn" else None,
                "flip": bool(rng.random() < 0.5),
                "epochs_planned": 6,
            }
        )
        curves += [{"number": number, **row} for row in _curve(rng, epochs)]
        runs.append(
            TrialRun(
                number=number,
                run_id=hashlib.sha256(str(number).encode()).hexdigest()[:32],
                started_ms=1_700_000_000_000 + number,
                ended_ms=1_700_000_020_000 + number,
                epoch_seconds=[seconds / epochs] * epochs,
            )
        )
    complete = [t for t in trials if t["state"] == "complete"]
    best = max(complete, key=lambda t: t["score"])
    study = study_info(
        experiment,
        info,
        n_trials={"complete": len(complete), "pruned": 1, "failed": 1},
        best=TrialScore(number=best["number"], score=best["score"]),
        baseline=TrialScore(number=0, score=trials[0]["score"]),
    )
    table = pd.DataFrame(trials).astype({"cnn.width": "Int64"})
    winner = {"model": "cnn", "lr": 0.01, "epochs": 6}
    result = SearchResult(study, table, pd.DataFrame(curves), winner, {**winner, "lr": 0.1})
    result.write(layout.search(experiment))
    SearchRuns(study=study.study, origin=ORIGIN, experiment_id="1", run_id="d" * 32, trials=runs).write(
        layout.search_runs(experiment)
    )


def _curve(rng: np.random.Generator, epochs: int) -> list[dict[str, float]]:
    rows = []
    for epoch in range(1, epochs + 1):
        gap = float(np.exp(-epoch / 3) * rng.uniform(0.9, 1.1))
        row = {"epoch": epoch}
        for part, worse in (("train", 0.0), ("val", 0.05)):
            row |= {
                f"{part}_loss": gap + worse + (0.02 * epoch if worse else 0),
                f"{part}_accuracy": 1 - gap / 2 - worse,
                f"{part}_macro_f1": 1 - gap / 2 - worse * 1.1,
            }
        rows.append({**row, "lr": 0.01})
    return rows


def _steps(curve: list[dict[str, Any]], n_steps: int) -> list[dict[str, Any]]:
    """Return at most 20 slices of each pass of n_steps, with a falling loss."""
    rows = []
    for epoch in curve:
        parts = np.array_split(np.arange(1, n_steps + 1), min(20, n_steps))
        for i, part in enumerate(parts):
            loss = epoch["train_loss"] * (1.2 - 0.4 * i / max(1, len(parts) - 1))
            step = n_steps * (epoch["epoch"] - 1) + int(part[-1])
            rows.append({"model": epoch["model"], "seed": epoch["seed"], "step": step, "train_loss": loss})
    return rows


def write_evaluate(
    layout: Layout,
    experiment: str,
    info: DatasetInfo,
    *,
    n_seeds: int = 3,
    skill: tuple[float, float] = (4.0, 2.0),
    origins: tuple[str, ...] = ("",),
    seed: int = 0,
) -> None:
    """Write an evaluation.

    skill: how far the logit of the true class lies above the others, winner and baseline; 50 never errs. origins: of
    the images in turn.
    """
    rng = np.random.default_rng(seed)
    table = _samples(info, rng)
    n_classes = len(info.classes)
    frames, curves, steps, models, retrainings = [], [], [], {}, []
    for model, strength in zip(("winner", "baseline"), skill, strict=True):
        runs = []
        for k in range(n_seeds):
            logits = rng.normal(0, 1.5, (len(table), n_classes))
            logits[np.arange(len(table)), table["label"]] += strength
            p = np.exp(logits - logits.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            frame = table[["sample", "group", "part", "label"]].copy()
            frame.insert(0, "model", model)
            frame.insert(1, "seed", 100 + k)
            frame["predicted"] = p.argmax(axis=1)
            frame[probability_columns(info.classes)] = p
            frames.append(frame)
            of_run = [{"model": model, "seed": 100 + k, **row} for row in _curve(rng, 6)]
            curves, steps = curves + of_run, steps + _steps(of_run, 25 if model == "winner" else 3)
            threshold = 0.4 if info.positive else None
            runs.append(Retrained(seed=100 + k, best_epoch=5, threshold=threshold, val_score=0.9 + 0.01 * k))
            retrainings.append(
                RetrainingRun(
                    model=model,
                    seed=100 + k,
                    run_id=hashlib.sha256(f"{model} {k}".encode()).hexdigest()[:32],
                    started_ms=1_700_000_000_000 + k,
                    epoch_seconds=[2.5] * 5,
                )
            )
        config = {"model": "cnn", "lr": 0.01 if model == "winner" else 0.1, "epochs": 6}
        models[model] = RetrainedModel(config=config, parameters=12_345, runs=runs)
    files = table[["sample"]].assign(
        origin=np.resize(origins, len(table)),
        official_part=rng.choice(["train", "test"], len(table)),
        format="JPEG",
        mode="L",
    )
    files["format"] = np.where(np.arange(len(table)) % 9, "JPEG", "PNG")
    evaluation = Evaluation(
        EvaluationInfo(
            experiment=experiment,
            question="Does a tuned network beat the practical's own recipe?",
            study=f"{experiment}@0123456789ab",
            dataset=info,
            objective="macro_f1",
            models=models,
            min_sensitivity=0.95,
            sources=[],
        ),
        pd.concat(frames),
        pd.DataFrame(curves),
        pd.DataFrame(steps),
        files.assign(width=8, height=8),
    )
    evaluation.write(layout.evaluate(experiment))
    EvaluationRuns(origin=ORIGIN, retrainings=retrainings).write(layout.evaluation_runs(experiment))


def write_explanations(folder: Path, info: DatasetInfo, seed: int = 0, bare: bool = False) -> None:
    """Write explanations of the evaluation in the folder: errors and hits of the winner's first seed, random arrays.

    bare: of a network without attention maps, kernels and a list of layers.
    """
    rng = np.random.default_rng(seed)
    table = pd.read_csv(folder / "predictions.csv", dtype={"sample": str, "group": str})
    table = table[(table["model"] == "winner") & (table["part"] == "test") & (table["seed"] == 100)]
    wrong = (table["predicted"] != table["label"]).to_numpy()
    shown = pd.concat([table[wrong].head(8), table[~wrong].head(4)], ignore_index=True)
    shown = shown.assign(kind=np.where(shown["predicted"] == shown["label"], "hit", "error"), n_wrong=1)
    shown["scan"] = np.arange(len(shown)) >= len(shown) - 2
    n, (height, width, channels) = len(shown), info.image_shape
    images = rng.integers(0, 256, (n, height, width, channels), dtype=np.uint8)
    cams = rng.random((n, 8, 8), dtype=np.float32)
    kernels = rng.normal(size=(8, channels, 3, 3)).astype(np.float32)
    maps = rng.normal(size=(8, 2, height, width)).astype(np.float32)
    layers = [("0", "Conv2d", "16 × 8 × 8", "8 × 8", 160), ("1", "ReLU", "16 × 8 × 8", "", 0)]
    about = {"first": "0", "learned": True, "n_kernels": 16, "cam": "1", "cam_px": [8, 8]}
    if bare:
        about = dict.fromkeys(about)
    problem = "no <reason>" if bare else None
    Explanations(
        ExplanationsInfo(seed=100, **about, varied=["width", "border SD"], problem=problem),
        examples=shown,
        images=images,
        cams=None if bare else cams,
        kernels=None if bare else kernels,
        maps=None if bare else maps,
        layers=pd.DataFrame(layers, columns=list(LAYER_TYPES)),
        metadata_baseline=table.assign(predicted=0, predicted_by_file=0),
    ).write(folder / "explanations")


def write_cross_validation(folder: Path, info: DatasetInfo, *, n_folds: int = 4, seed: int = 0) -> None:
    """Write out-of-fold predictions of the images of an evaluation; n_folds 0: none. Medical: by copies too."""
    rng = np.random.default_rng(seed)
    table = pd.read_csv(folder / "predictions.csv", dtype={"sample": str, "group": str})
    table = table[(table["model"] == "winner") & (table["seed"] == 100)].reset_index(drop=True)
    groups = table["group"].drop_duplicates()
    dealt = dict(zip(groups, 2 + np.arange(len(groups)) % max(1, n_folds - 1), strict=True))
    fold = np.where(table["part"] == "test", 1, table["group"].map(dealt))
    columns = [*FOLD_TYPES, *probability_columns(info.classes)]
    frames, runs = [pd.DataFrame(columns=columns)], []
    arms = [(GROUP, "winner", 2, 4.0), (GROUP, "baseline", 1, 2.0), *[(COPIES, "winner", 1, 6.0)] * info.medical]
    for by, model, repeats, skill in arms if n_folds else []:
        for k in range(repeats):
            logits = rng.normal(0, 1.5, (len(table), len(info.classes)))
            logits[np.arange(len(table)), table["label"]] += skill
            p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            frame = table[["sample", "group", "label"]].assign(by=by, fold=fold, model=model, seed=100 + k)
            frame["predicted"] = p.argmax(axis=1)
            frame[probability_columns(info.classes)] = p.round(6)
            frames.append(frame[columns])
            for number in range(1, n_folds + 1):
                n = int((fold == number).sum())
                run = {"by": by, "fold": number, "model": model, "seed": 100 + k, "n_images": n}
                chosen = {"best_epoch": 5, "val_score": 0.9, "threshold": 0.4 if info.positive else None}
                runs.append(FoldRun(**run, **chosen, temperature=1.1, n_seen=n // 2 if by == COPIES else 0))
    frames = frames[1:] or frames
    images = rng.integers(0, 256, (12 if n_folds else 0, *info.image_shape), dtype=np.uint8)
    CrossValidation(FoldsInfo(dataset=info, runs=runs), pd.concat(frames), images).write(folder / "folds")


def write_robustness(folder: Path, info: DatasetInfo, seed: int = 0) -> None:
    """Write predictions of the winner under two corruptions: one flips a tenth of them at random, one flips none."""
    rng = np.random.default_rng(seed)
    table = pd.read_csv(folder / "predictions.csv", dtype={"sample": str, "group": str})
    table = table[(table["model"] == "winner") & (table["part"] == "test")]
    score = table[[f"p_{name}" for name in info.positive]].sum(axis=1).round(6)
    clean = table.assign(corruption="noise", positive_score=score)
    is_flipped = rng.random(len(clean)) < 0.1
    flipped = clean.assign(
        corruption="zoom",
        predicted=np.where(is_flipped, (clean["predicted"] + 1) % len(info.classes), clean["predicted"]),
        positive_score=np.where(is_flipped, 1 - score, score),
    )
    Robustness(pd.concat([clean, flipped])[list(ROBUSTNESS_COLUMNS)]).write(folder)


def write_experiment(root: Path, experiment: str, info: DatasetInfo, *, bare: bool = False, **options: Any) -> Layout:
    """Write all that the report of an experiment reads."""
    layout = Layout(root)
    write_search(layout, experiment, info)
    write_evaluate(layout, experiment, info, **options)
    write_explanations(layout.evaluate(experiment), info, bare=bare)
    write_cross_validation(layout.evaluate(experiment), info, n_folds=0 if bare else 4)
    write_robustness(layout.evaluate(experiment), info)
    return layout


def big_info(**images_per_part: int) -> DatasetInfo:
    """Return a data set as large as a real one: ten classes, every image its own group."""
    info = dataset_info("big", [f"class {k}" for k in range(10)], [])
    counts = info.counts | dict.fromkeys(("images", "groups", "kept_images"), sum(images_per_part.values()))
    parts = sizes(**{part: (n, n) for part, n in images_per_part.items()})
    return info.model_copy(update={"counts": counts, "parts": parts})


SETTINGS = ReportSettings(
    seed=1,
    screening=ScreeningSettings(
        n_screened=100_000,
        prevalence_per_100k=21.97,
        prevalence_source="the <b>source</b>",
        other_prevalences={"another, 2000": 130.8},
        slices_per_person=[1, 5, 20],
    ),
)
MRI = dataset_info("mri", ["healthy", "tumor"], ["tumor"], medical=True)
