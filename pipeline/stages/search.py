"""search: find the best configuration of an experiment's space on the development part."""

from pipeline.artifacts.layout import Layout
from pipeline.execution.settings import Workspace
from pipeline.search.search import search
from pipeline.search.warm_start import study_of


def run(
    layout: Layout,
    experiment: str,
    dataset: str,
    workspace: Workspace,
    *,
    fresh: bool = False,
    adopt: str | None = None,
    source: str | None = None,
) -> None:
    """Resume what an interrupted search left.

    fresh: start a new study even so; adopt: take over another's trials; source: enqueue the best of another.
    """
    source = study_of(layout, source, experiment) if source else None
    file, development, out = layout.experiment_file(experiment), layout.development(dataset), layout.search(experiment)
    result, runs = search(file, development, out, workspace, fresh=fresh, adopt=adopt, source=source)
    result.write(out)
    runs.write(layout.search_runs(experiment))
