"""The page of one experiment: what won, by how much, how sure that is, and what it would mean in a screening."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import estimates, figures, performance
from pipeline.data import PARTS
from pipeline.estimates import Estimate
from pipeline.figures import Picture, png
from pipeline.files import write_json, writing
from pipeline.metrics import SCORES, class_scores
from pipeline.pages import count, p_value, percent, percent_estimate, points_estimate, write_page
from pipeline.params import Report, Screening
from pipeline.performance import Comparison, Decision, Scores
from pipeline.results import MODELS, Evaluation, Search, read_evaluation, read_search
from pipeline.seeds import derive_seed
from pipeline.tables import plain_csv

LABELS = {
    "accuracy": "accuracy",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
}
FEW_GROUPS = 30  # of a class in the test part; below, the page warns


def run(search: Path, evaluate: Path, out: Path, numbers: Path, settings: Report) -> None:
    """numbers: folder for what `summary` needs, which no other stage's folder may contain."""
    found, evaluation = read_search(search), read_evaluation(evaluate)
    experiment, screening, bootstrap_draws = found.study["experiment"], settings.screening, settings.bootstrap_draws
    rng = np.random.default_rng(derive_seed(settings.seed, "bootstrap", experiment))
    scores = performance.score_test_part(evaluation, bootstrap_draws, rng)
    comparison = performance.compare(evaluation)
    decisions = {
        model: performance.decide(evaluation, model, screening.prevalence_per_100k, screening.n_screened)
        for model in (MODELS if evaluation.positive else ())
    }
    main = found.study["objective"]

    pictures = {
        **_search_pictures(found),
        **_performance_pictures(evaluation, scores),
        **(_screening_pictures(evaluation, decisions["winner"], screening) if decisions else {}),
    }
    write_page(
        out / "index.html",
        "report",
        experiment=experiment,
        pictures=pictures,
        study=found.study,
        dataset=evaluation.dataset,
        evaluation=evaluation.info,
        verdict=_verdict(found, evaluation, scores, comparison, main),
        data=_data(evaluation),
        search=_search(found, evaluation, scores, main),
        performance=_performance(evaluation, scores, comparison),
        screening=_screening(decisions, screening) if decisions else None,
    )
    figures.write_pictures(out / "figures", pictures.values())
    metrics = _metrics(found, evaluation, scores, decisions, screening)
    write_json(out / "metrics.json", metrics)
    write_json(numbers / "numbers.json", {**metrics, **_beside(found, evaluation, scores, comparison, decisions)})
    _write_plots(out, evaluation, scores, main)


def _verdict(
    found: Search, evaluation: Evaluation, scores: Scores, comparison: Comparison, main: str
) -> dict[str, Any]:
    winner, difference = scores.means[main]["winner"], scores.difference[main]
    models, n_trials = evaluation.info["models"], len(found.trials)
    n_seeds = len(models["winner"]["runs"])
    answer = f"On the sealed test part the winner of {n_trials} trials "
    if scores.perfect:
        bound = percent(scores.means["accuracy"]["winner"].low)
        answer += (
            f"makes no error under {n_seeds} fresh seeds, which proves an accuracy of at least {bound} (95 % bound)"
        )
    else:
        answer += (
            f"reaches a {LABELS[main]} of {percent_estimate(winner)} (mean of {n_seeds} fresh seeds, 95 % interval)"
        )
    test = f"exact McNemar over test groups, {p_value(comparison.p)}"
    if models["winner"]["config"] == models["baseline"]["config"]:
        answer += "; no trial beat the baseline, so the winner is the baseline itself."
    elif comparison.p < 0.05:
        word = "more" if (difference.value or 0) > 0 else "less"
        answer += f", {_points(difference)} percentage points {word} than the baseline ({test})."
    else:
        points = points_estimate(difference)
        answer += (
            f". Against the baseline that is {points} percentage points; "
            f"in the typical pair of seeds the two cannot be told apart ({test})."
        )
    return {
        "answer": answer,
        "facts": [
            (f"winner, {LABELS[main]}", percent(winner.value)),
            (f"baseline, {LABELS[main]}", percent(scores.means[main]["baseline"].value)),
            ("difference, points", points_estimate(difference).split(" [")[0]),
            ("test images (groups)", f"{evaluation.parts['test'].labels.size:,} ({sum(scores.class_groups):,})"),
        ],
    }


def _points(difference: Estimate) -> str:
    """Without signs where the sentence says more or less."""
    assert difference.value is not None
    assert difference.low is not None
    assert difference.high is not None
    ends = sorted((difference.low, difference.high), key=abs)
    if difference.low * difference.high < 0:
        return points_estimate(difference)
    return f"{100 * abs(difference.value):.1f} [{100 * abs(ends[0]):.1f}, {100 * abs(ends[1]):.1f}]"


def _data(evaluation: Evaluation) -> dict[str, Any]:
    info, classes = evaluation.dataset, evaluation.classes
    sizes = {part: np.bincount(evaluation.parts[part].labels, minlength=len(classes)) for part in PARTS}
    flow = [(name.replace("_", " "), f"{value:,}") for name, value in info["counts"].items()]
    flow += [(f"dropped: {reason.replace('_', ' ')}", f"{n:,}") for reason, n in info["dropped"].items()]
    parts = [[part, f"{info['parts'][part]['images']:,}", f"{info['parts'][part]['groups']:,}"] for part in PARTS]
    balance = [
        [name, *(f"{sizes[part][c]:,} ({percent(sizes[part][c] / sizes[part].sum(), 0)})" for part in PARTS)]
        for c, name in enumerate(classes)
    ]
    return {"flow": flow, "parts": parts, "balance": balance}


def _search(found: Search, evaluation: Evaluation, scores: Scores, main: str) -> dict[str, Any]:
    """Every trial, and the same score seen three ways: best of N, retrained, untouched."""
    study = found.study
    sights = [
        [
            model,
            str(trial["number"]),
            percent(trial["score"]),
            percent(float(np.mean([run["val_score"] for run in evaluation.runs(model)]))),
            percent_estimate(scores.means[main][model]),
        ]
        for model, trial in (("winner", study["best"]), ("baseline", study["baseline"]))
    ]
    return {
        "sights": sights,
        "main": LABELS[main],
        "head": [name.replace("_", " ") for name in found.trials.columns],
        "trials": found.trials.astype(object).to_dict("records"),
        "pruned_share": study["n_trials"]["pruned"] / max(1, sum(study["n_trials"].values())),
        "configurations": [
            (key, *(evaluation.info["models"][model]["config"].get(key) for model in MODELS))
            for key in dict.fromkeys(k for m in MODELS for k in evaluation.info["models"][m]["config"])
        ],
    }


def _performance(evaluation: Evaluation, scores: Scores, comparison: Comparison) -> dict[str, Any]:
    def points(values: np.ndarray[Any, Any]) -> str:
        return ", ".join(f"{100 * v:.1f}" for v in values)

    overall = [
        [
            LABELS[name], model, percent_estimate(scores.means[name][model]),
            "–" if (sd := performance.spread(scores.seeds[name][model])) is None else f"{100 * sd:.2f}",
            points(scores.seeds[name][model]),
        ]
        for name in SCORES for model in MODELS
    ]  # fmt: skip
    classes = [
        [name, *(percent_estimate(scores.classes[key][c]) for key in ("precision", "recall", "f1")), f"{n:,}"]
        for c, (name, n) in enumerate(zip(evaluation.classes, scores.class_groups, strict=True))
    ]
    test = evaluation.parts["test"]
    matrix = performance.confusions(test, "winner", len(evaluation.classes)).mean(axis=0)
    runs = [
        [model, run["seed"], run["best_epoch"], "–" if run["threshold"] is None else f"{run['threshold']:.4f}",
         percent(run["val_score"]), *(percent(float(scores.seeds[name][model][i])) for name in SCORES),
         f"{run['seconds']:.0f}"]
        for model in MODELS for i, run in enumerate(evaluation.runs(model))
    ]  # fmt: skip
    return {
        "overall": overall,
        "differences": [[LABELS[name], points_estimate(scores.difference[name])] for name in SCORES],
        "classes": classes,
        "perfect": scores.perfect,
        "few": [f"{evaluation.classes[c]} ({n})" for c, n in enumerate(scores.class_groups) if n < FEW_GROUPS],
        "matrix": [[name, *(count(v) for v in row)] for name, row in zip(evaluation.classes, matrix, strict=True)],
        "classes_named": evaluation.classes,
        "runs": runs,
        "pairs": [
            [f"{first} / {second}", b, c, p_value(p), p_value(adjusted)]
            for first, second, b, c, p, adjusted in comparison.pairs
        ],
        "p": p_value(comparison.p),
    }


def _screening(decisions: dict[str, Decision], settings: Screening) -> dict[str, Any]:
    winner = decisions["winner"]
    prevalences = {settings.prevalence_source: settings.prevalence_per_100k, **settings.other_prevalences}
    rows = []
    for label, prevalence in prevalences.items():
        s = estimates.screening(winner.operation, prevalence, settings.n_screened)
        rows.append({"label": label, "prevalence": prevalence, "screening": s})
    n_healthy = winner.estimate.n_healthy
    return {
        "decisions": decisions,
        "n_screened": settings.n_screened,
        "prevalence": settings.prevalence_per_100k,
        "source": settings.prevalence_source,
        "rows": rows,
        "sure": 1 - estimates.sure_bound(winner.operation.n_healthy),
        "sure_persons": n_healthy * (1 - estimates.sure_bound(winner.operation.n_healthy)),
        "claims": [(n, estimates.negatives_to_claim(n, n_healthy)) for n in (100, 22)],
        "seeds": [
            [model, f"{d.thresholds[i]:.4f}", percent(d.sensitivity[i]), percent(d.specificity[i]), f"{d.auc[i]:.4f}"]
            for model, d in decisions.items()
            for i in range(len(d.thresholds))
        ],
    }


def _search_pictures(found: Search) -> dict[str, Picture]:
    trials = found.trials
    objective = LABELS[found.study["objective"]]
    varied = [name for name in found.parameters if trials[name].nunique() > 1]
    pictures = [
        Picture(
            "history", png(figures.history(trials, objective)),
            f"Scatter of the {objective} on val over the trial number, with the best so far as a rising line.",
            "Optimisation history. The line is the best complete trial so far: it can only rise, also by luck.",
        )
    ]  # fmt: skip
    if varied:
        pictures.append(
            Picture(
                "slices", png(figures.slices(trials, varied[:12], objective)),
                f"Score of each trial over each varied parameter: {', '.join(varied[:12])}.",
                "Score over each parameter that varied. Parameters moved together, so a slope here is no effect by "
                "itself." + (f" The first 12 of {len(varied)} are shown." if len(varied) > 12 else ""),
            )
        )  # fmt: skip
    return {p.name: p for p in pictures}


def _performance_pictures(evaluation: Evaluation, scores: Scores) -> dict[str, Picture]:
    k, classes = len(evaluation.classes), evaluation.classes
    kept = {model: [run["best_epoch"] for run in evaluation.runs(model)] for model in MODELS}
    pictures = [
        Picture(
            "learning", png(figures.learning_curves(evaluation.curves, kept)),
            "Loss and macro F1 over epochs, train against val, winner above baseline, one thin line per seed.",
            "Learning curves of every seed (thin) and their mean (thick). Ticks on the axis: the epoch kept per seed.",
        ),
        Picture(
            "scores", png(figures.score_points({LABELS[n]: v for n, v in scores.seeds.items()},
                                               {LABELS[n]: v for n, v in scores.means.items()})),
            "Accuracy, macro precision, macro recall and macro F1 of winner and baseline with intervals and all seeds.",
            "Diamonds: mean over seeds; bars: 95 % bootstrap over groups; dots: every seed.",
        ),
    ]  # fmt: skip
    matrices = {part: performance.confusions(evaluation.parts[part], "winner", k).mean(axis=0) for part in PARTS}
    beside = k <= 3 and max(map(len, classes)) <= 8  # what fits into a third of the width
    together = {"confusion": matrices} if beside else {f"confusion_{p}": {p: m} for p, m in matrices.items()}
    for name, shown in together.items():
        recall = ", ".join(
            f"{part}: {percent(float(class_scores(m)['recall'].mean()))} macro recall" for part, m in shown.items()
        )
        pictures.append(
            Picture(
                name, png(figures.confusion(shown, classes)),
                f"Confusion matrix of the winner, rows truth, columns predicted; {recall}.",
                f"Winner, {', '.join(shown)}: images (mean over seeds) and share of the row; blank: none.",
            )
        )  # fmt: skip
    test = evaluation.parts["test"]
    tables, errors = {}, {}
    for model in MODELS:
        runs = test.models[model]
        each = [
            estimates.calibration(c, p == test.labels) for c, p in zip(runs.confidence, runs.predicted, strict=True)
        ]
        tables[model], errors[model] = [rows for rows, _ in each], float(np.mean([error for _, error in each]))
    pictures.append(
        Picture(
            "reliability", png(figures.reliability(tables)),
            "Share of right predictions over the stated probability, winner and baseline, one line per seed.",
            "Calibration on test, uncorrected. Expected calibration error, mean over seeds: "
            f"winner {percent(errors['winner'])}, baseline {percent(errors['baseline'])}.",
        )
    )  # fmt: skip
    return {p.name: p for p in pictures}


def _screening_pictures(evaluation: Evaluation, winner: Decision, settings: Screening) -> dict[str, Picture]:
    curves = performance.operating_curves(evaluation.parts["test"], "winner")
    frozen = list(zip(winner.sensitivity.tolist(), winner.specificity.tolist(), strict=True))
    marked = {settings.prevalence_source: settings.prevalence_per_100k, **settings.other_prevalences}
    grid = np.geomspace(min(1.0, *marked.values()), max(20_000.0, *marked.values()), 120)
    ppv = [estimates.screening(winner.operation, float(p)).ppv for p in grid]
    pictures = [
        Picture(
            "operating", png(figures.operating_curve(curves, frozen, winner.estimate.n_healthy, settings.n_screened)),
            "Expected false positives against sensitivity for every threshold, one line per seed, frozen ones marked.",
            "What another threshold would trade. Only the diamonds were fixed beforehand; the lines are exploration."
            + (" At 0: none in this sample, which is not none." if (winner.specificity == 1).any() else ""),
        ),
        Picture(
            "ppv", png(figures.ppv_over_prevalence(grid, ppv, marked.values(), settings.prevalence_per_100k)),
            "Positive predictive value with its interval over the prevalence per 100,000, both logarithmic.",
            "How far the PPV hangs on the prevalence. Vertical lines: the prevalences of the table.",
        ),
    ]  # fmt: skip
    return {p.name: p for p in pictures}


def _digits(value: float | None) -> float | None:
    """Six significant digits: enough for any reader, few enough for a readable `dvc metrics diff`."""
    return None if value is None else float(f"{value:.6g}")


def _metrics(
    found: Search, evaluation: Evaluation, scores: Scores, decisions: dict[str, Decision], settings: Screening
) -> dict[str, Any]:
    def means(model: str) -> dict[str, float | None]:
        return {name: _digits(scores.means[name][model].value) for name in SCORES}

    numbers: dict[str, Any] = {
        "test": means("winner"),
        "test_sd": {name: _digits(performance.spread(scores.seeds[name]["winner"])) for name in SCORES},
        "n_seeds": len(evaluation.runs("winner")),
        "baseline_test": means("baseline"),
        "best_of_n_val": _digits(found.study["best"]["score"]),
        "n_trials": found.study["n_trials"],
    }
    if decisions:
        operation, s = decisions["winner"].operation, decisions["winner"].estimate
        numbers["screening"] = {
            "sensitivity": _digits(operation.sensitivity),
            "specificity": _digits(operation.specificity),
            **{
                f"{name}{end}": _digits(getattr(getattr(s, name), attribute))
                for name in ("false_positives", "false_negatives", "ppv", "npv")
                for end, attribute in (("", "value"), ("_low", "low"), ("_high", "high"))
            },
            "prevalence_per_100k": settings.prevalence_per_100k,
            "n_diseased_groups": operation.n_diseased,
            "n_healthy_groups": operation.n_healthy,
        }
    numbers["seconds"] = {"search": _digits(found.study["seconds"]), "evaluate": _digits(evaluation.info["seconds"])}
    return numbers


def _beside(
    found: Search, evaluation: Evaluation, scores: Scores, comparison: Comparison, decisions: dict[str, Decision]
) -> dict[str, Any]:
    """Intervals and labels that the leaderboard shows beside the compared numbers."""

    def ends(estimate: Estimate) -> list[float | None]:
        return [_digits(estimate.low), _digits(estimate.high)]

    intervals: dict[str, Any] = {
        "test": {name: ends(scores.means[name]["winner"]) for name in SCORES},
        "baseline_test": {name: ends(scores.means[name]["baseline"]) for name in SCORES},
        "difference": {
            name: [_digits(scores.difference[name].value), *ends(scores.difference[name])] for name in SCORES
        },
        "mcnemar_p": _digits(comparison.p),
    }
    if decisions:
        s = decisions["winner"].estimate
        intervals |= {"sensitivity": ends(s.sensitivity), "specificity": ends(s.specificity)}
    about = {name: found.study[name] for name in ("experiment", "dataset", "question", "objective", "study")}
    about |= {"medical": evaluation.dataset["medical"]}
    return {"intervals": intervals, "about": about}


def _write_plots(out: Path, evaluation: Evaluation, scores: Scores, main: str) -> None:
    """Small tables for `dvc plots`; the confusion is that of the winner's seed with the median score."""
    test, names = evaluation.parts["test"], np.array(evaluation.classes)
    values = scores.seeds[main]["winner"]
    median = int(np.argsort(values, kind="stable")[(values.size - 1) // 2])
    confusion = pd.DataFrame(
        {"actual": names[test.labels], "predicted": names[test.models["winner"].predicted[median]]}
    )
    for name, table in (("confusion", confusion), ("curves", evaluation.curves.round(5))):
        with writing(out / f"{name}.csv") as part:
            plain_csv(table, part)
