"""evaluate: retrain winner and baseline with fresh seeds, choose thresholds on `val`, score the test part once."""

import shutil
from functools import partial

from pipeline.artifacts.layout import Layout
from pipeline.artifacts.runs import Origin
from pipeline.artifacts.samples import Samples
from pipeline.artifacts.search_result import SearchResult
from pipeline.core import provenance
from pipeline.evaluation.corruptions import predict_corrupted
from pipeline.evaluation.cross_validation import cross_validate, draw_folds, plan_folds
from pipeline.evaluation.explanations import explain
from pipeline.evaluation.ledger import with_history
from pipeline.evaluation.model_registry import register_champion
from pipeline.evaluation.result import (
    champion,
    choose_thresholds,
    data_sources,
    evaluation_result,
    evaluation_runs,
    predict_all,
    write_models,
)
from pipeline.evaluation.retrain import as_searched, plan, retrain, study_run
from pipeline.evaluation.seeds import enough_seeds
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.execution.settings import Workspace


def run(layout: Layout, experiment: str, dataset: str, workspace: Workspace, settings: EvaluateSettings) -> None:
    """Write all of an evaluation; resume what an interrupted call left. Raises PipelineError if a retraining fails."""
    searched = SearchResult.read(layout.search(experiment))
    development, test = Samples.read(layout.development(dataset)), Samples.read(layout.test(dataset))
    data, origin = (development, test), Origin.model_validate(provenance.origin(workspace.root))
    study = study_run(searched.study, data_sources(data), origin)
    train = partial(retrain, study=study, workspace=as_searched(workspace, searched.study))
    plan_for = partial(plan, searched, layout.development(dataset), workspace.evaluations)
    n_seeds, seed_share = enough_seeds(settings.fixed_seeds, plan_for, train, development)
    folds, planned = draw_folds(development, test, settings.folds, searched.study.seed), plan_for(n_seeds)
    in_folds = plan_folds(searched, folds, workspace.evaluations, n_seeds)
    trained = train(planned + in_folds)
    retrained, of_folds = trained[: len(planned)], trained[len(planned) :]
    predictions = predict_all(retrained, data)
    cross_validation = cross_validate(folds, trained, development.info, settings.min_sensitivity)
    thresholds = choose_thresholds(predictions, development.info, settings.min_sensitivity)
    evaluation = evaluation_result(searched.study, data, retrained, predictions, thresholds, seed_share=seed_share)
    explanations = explain(champion(evaluation, retrained), predictions, development, test)
    runs = with_history(evaluation_runs(retrained, of_folds, origin), workspace.root, searched.study, test.info)
    corrupted = predict_corrupted(retrained, test)

    out = layout.evaluate(experiment)
    shutil.rmtree(out, ignore_errors=True)  # nothing of an earlier evaluation remains
    evaluation.write(out)
    explanations.write(out / "explanations")
    cross_validation.write(out / "folds")
    corrupted.write(out)
    write_models(evaluation, retrained, out / "model")
    runs.write(layout.evaluation_runs(experiment))
    register_champion(evaluation, runs, out / "model/winner", workspace)
