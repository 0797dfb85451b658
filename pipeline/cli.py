"""`pipeline <stage> [item]`: what dvc.yaml calls. Reads params.yaml, gives the stage its paths and values."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from pipeline.artifacts.layout import Layout

DATA, REPORTS = Path("data"), Path("reports")


def download(params: Any, dataset: str) -> None:
    from pipeline.stages import download

    mirrors = [*params.download.mirrors, *filter(None, [os.environ.get("DATA_MIRROR")])]
    settings = params.download.model_copy(update={"mirrors": mirrors})
    download.run(Layout(), dataset, settings)


def prepare(params: Any, dataset: str) -> None:
    from pipeline.stages import prepare

    prepare.run(Layout(), dataset, params.datasets[dataset].prepare)


def split(params: Any, dataset: str) -> None:
    from pipeline.stages import split

    split.run(Layout(), dataset, params.datasets[dataset].split)


def explore(params: Any, dataset: str) -> None:
    from pipeline.stages import explore

    development = DATA / "split" / dataset / "development"
    explore.run(DATA / "prepared" / dataset, development, REPORTS / "data" / dataset)


def search(params: Any, experiment: str, **options: Any) -> None:
    from pipeline.stages import search

    search.run(Layout(), experiment, params.experiments[experiment], _workspace(params), **options)


def evaluate(params: Any, experiment: str) -> None:
    from pipeline.stages import evaluate

    settings, dataset = params.evaluate, params.experiments[experiment]
    evaluate.run(Layout(), experiment, dataset, _workspace(params), settings.n_seeds, settings.min_sensitivity)


def _workspace(params: Any) -> Any:
    from pipeline.execution.settings import Workspace

    return Workspace(Path().resolve(), params.search)


def report(params: Any, experiment: str) -> None:
    from pipeline.stages import report

    report.run(Layout(), experiment, params.report, params.search.tracking_uri)


def summary(params: Any) -> None:
    from pipeline.stages import summary

    summary.run(Layout(), list(params.experiments))


def space(params: Any, experiment: str) -> None:
    from pipeline.commands import check_space

    development = DATA / "split" / params.experiments[experiment] / "development"
    check_space.run(Path("experiments") / f"{experiment}.yaml", development, params.search.threads)


def shapes(params: Any, experiment: str) -> None:
    from pipeline.commands import layers

    development = DATA / "split" / params.experiments[experiment] / "development"
    layers.run(Path("experiments") / f"{experiment}.yaml", development, DATA / "search" / experiment)


def publish(params: Any, experiment: str) -> None:
    from pipeline.commands import publish

    publish.run(Layout(), experiment, _workspace(params))


def schema(params: Any) -> None:
    from pipeline.commands import schema

    schema.run()


STAGES: dict[str, tuple[Callable[..., None], str, str]] = {  # function, list of params.yaml, what it does
    "download": (download, "datasets", "fetch the published files and check them"),
    "prepare": (prepare, "datasets", "decode the images and group the copies"),
    "split": (split, "datasets", "deal whole groups to train, val and the sealed test part"),
    "explore": (explore, "datasets", "draw the page of a data set"),
    "search": (search, "experiments", "train trials until the budget is filled; goes on with an interrupted search"),
    "evaluate": (evaluate, "experiments", "retrain winner and baseline under fresh seeds, score test once"),
    "report": (report, "experiments", "write the page of an experiment"),
    "summary": (summary, "", "write the page of all experiments"),
    "space": (space, "experiments", "check an experiment file and show what its space holds; trains nothing"),
    "shapes": (shapes, "experiments", "show the layers of baseline and winner with their shapes"),
    "publish": (publish, "experiments", "write finished searches and retrainings to MLflow again"),
    "schema": (schema, "", "print the JSON schema of experiment files"),
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Exit code 0 on success, 1 where a run failed, 2 on bad input, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="pipeline", description=__doc__)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")
    for name, (_, items, told) in STAGES.items():
        command = commands.add_parser(name, help=told, description=told)
        if items:
            command.add_argument("item", help=f"one of `{items}` in params.yaml")
        if name == "search":
            command.add_argument("--fresh", action="store_true", help="start another study instead of resuming")
            command.add_argument("--adopt", metavar="STUDY", help="take its trials, though data or code changed")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stop is a stop, whoever asks for it
    sys.exit(_run(options))


def _run(options: argparse.Namespace) -> int:
    from pipeline.core.errors import InputError, PipelineError
    from pipeline.params import read_params

    given = {"fresh": options.fresh, "adopt": options.adopt} if options.stage == "search" else {}
    try:
        params = read_params(Path("params.yaml"))
        stage, items, _ = STAGES[options.stage]
        if items and options.item not in getattr(params, items):
            known = ", ".join(getattr(params, items))
            raise InputError(f"{options.item!r} is not in `{items}` of params.yaml; there are {known}")
        stage(params, *([options.item] if items else []), **given)
    except (PipelineError, OSError) as error:
        if options.debug:
            raise
        print(f"pipeline {options.stage}: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, PipelineError) else 1
    except KeyboardInterrupt:
        again = "run the same command again" + (" without --fresh" if given.get("fresh") else "")
        print(f"pipeline {options.stage}: interrupted; {again} to go on", file=sys.stderr)
        return 130
    return 0
