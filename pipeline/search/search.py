"""Search: resume or start the study of an experiment, train its trials, and return what was found."""

from pathlib import Path

from pipeline.artifacts.runs import Origin, SearchRuns
from pipeline.artifacts.samples import DEVELOPMENT, Samples
from pipeline.artifacts.search_result import SearchResult
from pipeline.core import provenance
from pipeline.core.progress import size_text
from pipeline.execution.autotune import autotune
from pipeline.execution.executor import device_of_workers, open_executor
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.reader import enqueued_from, read_experiment
from pipeline.search.coordinator import Coordinator
from pipeline.search.cost_limit import limit_of_cost
from pipeline.search.publishing import study_run
from pipeline.search.result import search_result, search_runs
from pipeline.search.sampling import sample_parameters
from pipeline.search.study import OpenStudy, open_study
from pipeline.search.study_figures import draw_study
from pipeline.search.trials import close_open_trials, ended_trials, note_sources
from pipeline.search.used_code import study_code
from pipeline.search.warm_start import enqueue_best, to_paste
from pipeline.tracking.tracker import Tracker


def search(
    file: Path,
    development: Path,
    out: Path,
    workspace: Workspace,
    *,
    fresh: bool = False,
    adopt: str | None = None,
    source: str | None = None,
) -> tuple[SearchResult, SearchRuns]:
    """Train every slot of the experiment that an interrupted search left open.

    out: folder for pictures of the study. fresh: start a new study even so; adopt: see open_study; source: a study
    whose best configurations are enqueued too. Raises ConfigError or DataError before anything is created,
    PipelineError if no trial is complete.
    """
    samples = Samples.read(development)
    on_disk, in_memory = samples.memory()
    if on_disk:
        print(
            f"{samples.info.name}: workers read {size_text(on_disk)} of images from one mapped file, batch by batch; "
            f"each holds {size_text(in_memory)} of other data in memory, besides PyTorch and its network"
        )
    if source:
        experiment, more = enqueue_best(file, development, workspace.searches, source)
        print(to_paste(file, experiment, source, more))
    else:
        experiment, more = read_experiment(file, development), []
    enqueued = enqueued_from(file, experiment, more)
    settings, is_affordable = workspace.search, limit_of_cost(experiment, samples)
    if settings.workers == "auto" and settings.executor == "local":
        first = sample_parameters(experiment, experiment.first_sampled, (), (), is_affordable).params
        most = experiment.parallel if settings.reproducible else None
        config, cache = experiment.configuration(first), workspace.searches / "autotune.json"
        settings = autotune(settings, config, development, cache=cache, most_workers=most)
    hashes = made_by(experiment, samples, settings)
    sources = [samples.source(part) for part in DEVELOPMENT]
    with open_study(workspace.searches, experiment, hashes, fresh=fresh, adopt=adopt) as study:
        close_open_trials(study.optuna)
        note_sources(study.optuna, enqueued)
        origin = first_origin(study, workspace.root)
        run = study_run(experiment, study.name, origin, sources, hashes)
        n_seeds = [rung.seeds for rung in experiment.fidelity.rungs] if experiment.fidelity else []
        records = [trial.record(experiment.seed, n_seeds) for trial in ended_trials(study.optuna)]
        with (
            Tracker(workspace.root, settings.tracking_uri, run, records) as tracker,
            open_executor(settings) as executor,
        ):
            Coordinator(study, experiment, executor, tracker, is_affordable, reproducible=settings.reproducible).run(
                development
            )
            draw_study(study.optuna, experiment.objective, out / "figures")
            tracker.study.figures = out / "figures"
        hashes = {"space": provenance.digest(experiment.identity()), **hashes}
        result = search_result(study, experiment, hashes, sources, settings)
        return result, search_runs(study, experiment, origin, tracker)


def made_by(experiment: Experiment, samples: Samples, settings: SearchSettings) -> dict[str, str]:
    """Return what decides the results of a study besides its space: a change of it starts a new study."""
    versions = provenance.versions()
    return {
        "data": samples.info.digest,
        "code": study_code(experiment),
        **{package: versions[package] for package in ("torch", "timm", "optuna")},
        "device": device_of_workers(settings),
        "threads": str(settings.threads),  # they decide the order of sums
        "decided": "in batches" if settings.reproducible else "as workers come free",
    }


def first_origin(study: OpenStudy, root: Path) -> Origin:
    """Return where the first trial of a study was trained, also when another commit resumes the search."""
    if "origin" not in study.optuna.user_attrs:
        study.optuna.set_user_attr("origin", provenance.origin(root))
    return Origin.model_validate(study.optuna.user_attrs["origin"])
