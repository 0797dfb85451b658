"""`python -m pipeline <command> [item]`: the stages of dvc.yaml, and the commands for users.

Reads params.yaml and hands each stage its paths and settings. A stage is imported when it runs: --help is quick.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn

from pipeline.artifacts.layout import Layout

if TYPE_CHECKING:
    from pipeline.execution.settings import Workspace
    from pipeline.params import Params

LAYOUT = Layout()


class Command(NamedTuple):
    """A command: its function, the kind of item that it takes, and its help text."""

    run: Callable[["Params", argparse.Namespace], None]
    items: Literal["datasets", "experiments", ""]
    """section of params.yaml that names the items"""
    help: str


def download(params: "Params", options: argparse.Namespace) -> None:
    from pipeline.stages import download

    mirrors = [*params.download.mirrors, *filter(None, [os.environ.get("DATA_MIRROR")])]
    download.run(
        LAYOUT, options.item, params.datasets[options.item], params.download.model_copy(update={"mirrors": mirrors})
    )


def prepare(params: "Params", options: argparse.Namespace) -> None:
    from pipeline.stages import prepare

    prepare.run(LAYOUT, options.item)


def split(params: "Params", options: argparse.Namespace) -> None:
    from pipeline.stages import split

    split.run(LAYOUT, options.item)


def explore(params: "Params", options: argparse.Namespace) -> None:
    from pipeline.stages import explore

    explore.run(LAYOUT, options.item)


def overlap(params: "Params", _: argparse.Namespace) -> None:
    from pipeline.stages import overlap

    overlap.run(LAYOUT, list(params.datasets))


def search(params: "Params", options: argparse.Namespace) -> None:
    from pipeline.stages import search

    dataset, workspace = params.experiments[options.item], _workspace(params)
    studies = {"adopt": options.adopt, "source": options.source}
    search.run(LAYOUT, options.item, dataset, workspace, fresh=options.fresh, **studies)


def evaluate(params: "Params", options: argparse.Namespace) -> None:
    from pipeline.stages import evaluate

    evaluate.run(LAYOUT, options.item, params.experiments[options.item], _workspace(params), params.evaluate)


def report(params: "Params", options: argparse.Namespace) -> None:
    from pipeline.stages import report

    report.run(LAYOUT, options.item, params.report, params.search.tracking_uri)


def summary(params: "Params", _: argparse.Namespace) -> None:
    from pipeline.stages import summary

    summary.run(LAYOUT, list(params.experiments))


def space(params: "Params", options: argparse.Namespace) -> None:
    from pipeline.search.space_check import check_space

    development = LAYOUT.development(params.experiments[options.item])
    for line in check_space(LAYOUT.experiment_file(options.item), development, params.search.threads):
        print(line)


def layers(params: "Params", options: argparse.Namespace) -> None:
    from pipeline.evaluation.layer_tables import layer_tables
    from pipeline.experiment.reader import read_experiment

    development = LAYOUT.development(params.experiments[options.item])
    baseline = read_experiment(LAYOUT.experiment_file(options.item), development).baseline
    for line in layer_tables(baseline, development, LAYOUT.search(options.item)):
        print(line)


def publish(params: "Params", options: argparse.Namespace) -> None:
    from pipeline.evaluation.model_registry import publish_evaluation
    from pipeline.search.publishing import publish_search

    publish_search(LAYOUT.root.resolve(), options.item, params.search.tracking_uri)
    publish_evaluation(LAYOUT.root.resolve(), options.item, params.search.tracking_uri)


def schema(_: "Params", __: argparse.Namespace) -> None:
    from pipeline.experiment.json_schema import experiment_schema

    print(json.dumps(experiment_schema(), indent=2))


def new(params: "Params", options: argparse.Namespace) -> None:
    from pipeline.core.errors import InputError
    from pipeline.new import new_dataset, new_experiment

    if options.kind == "dataset" and not options.folder:
        raise InputError("new dataset: name the folder with --folder; other sources are in docs/data.md")
    root = Path().resolve()
    if options.kind == "dataset":
        lines = new_dataset(root, options.name, options.folder)
    else:
        lines = new_experiment(root, options.name, options.like)
    print("\n".join(lines))


def _workspace(params: "Params") -> "Workspace":
    from pipeline.execution.settings import Workspace

    return Workspace(Path().resolve(), params.search)


COMMANDS = {
    "download": Command(download, "datasets", "fetch the published files and check them"),
    "prepare": Command(prepare, "datasets", "decode the images and group the copies"),
    "split": Command(split, "datasets", "assign whole groups to train, val and the sealed test part"),
    "explore": Command(explore, "datasets", "write the page of a data set"),
    "overlap": Command(overlap, "", "write the page of the images and patients that data sets share"),
    "search": Command(search, "experiments", "train the trials of an experiment; resumes an interrupted search"),
    "evaluate": Command(evaluate, "experiments", "retrain winner and baseline under fresh seeds, score test once"),
    "report": Command(report, "experiments", "write the page of an experiment"),
    "summary": Command(summary, "", "write the page of all experiments"),
    "space": Command(space, "experiments", "check an experiment file and show its search space; trains nothing"),
    "layers": Command(layers, "experiments", "show the layers of baseline and winner with their shapes"),
    "publish": Command(publish, "experiments", "write finished searches and retrainings to MLflow again"),
    "new": Command(new, "", "write the files of a new data set or experiment"),
    "schema": Command(schema, "", "print the JSON schema of experiment files"),
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Exit with 0 on success, 1 if a run failed, 2 on bad input, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="pipeline", description=__doc__)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        options = commands.add_parser(name, help=command.help, description=command.help)
        if command.items:
            options.add_argument("item", help=f"one of `{command.items}` in params.yaml")
        if name == "new":
            options.add_argument("kind", choices=("dataset", "experiment"))
            options.add_argument("name", help="lower-case letters, digits and _")
            options.add_argument("--folder", help="of a data set: subfolders name the class")
            options.add_argument("--like", default="digits", help="experiment to start from (default: %(default)s)")
        if name == "search":
            options.add_argument("--fresh", action="store_true", help="start a new study instead of resuming")
            options.add_argument("--adopt", metavar="STUDY", help="take over its trials although data or code changed")
            best = "enqueue the best configuration of each family of STUDY, or of the last study of an EXPERIMENT"
            options.add_argument("--from", metavar="STUDY", dest="source", help=best)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # TERM stops as Ctrl-C does: state is kept
    sys.exit(_run(parser.parse_args(arguments)))


def _run(options: argparse.Namespace) -> int:
    from pipeline.core.errors import InputError, PipelineError, did_you_mean
    from pipeline.params import read_params

    name, command = options.command, COMMANDS[options.command]
    try:
        params = read_params(Path("params.yaml"))
        if command.items and options.item not in (known := getattr(params, command.items)):
            of = "data sets" if command.items == "datasets" else "experiments"
            hint = did_you_mean(options.item, known)
            raise InputError(
                f"{options.item!r} is not among the {of} in params.yaml ({', '.join(known)}){hint}; "
                f"add it under `{command.items}`"
            )
        command.run(params, options)
    except (PipelineError, OSError) as error:
        if options.debug:
            raise
        print(f"pipeline {name}: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, PipelineError) else 1
    except KeyboardInterrupt:
        without = " without --fresh" if getattr(options, "fresh", False) else ""
        print(f"pipeline {name}: interrupted; run the same command again{without} to resume", file=sys.stderr)
        return 130
    return 0
