"""`python -m pipeline <command> [item]`: the stages of dvc.yaml, and the commands for users.

Reads params.yaml and hands each stage its paths and settings. A stage is imported when it runs: --help is quick.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn

from pipeline.artifacts.layout import Layout

if TYPE_CHECKING:
    from pandas import DataFrame

    from pipeline.execution.settings import Workspace
    from pipeline.params import Params

LAYOUT = Layout()


class Command(NamedTuple):
    """A command: its function, the kind of item that it takes, and its help text."""

    run: Callable[["Params", argparse.Namespace], None]
    items: Literal["datasets", "experiments", ""]
    """section of params.yaml that names the items"""
    help: str
    options: "Callable[[argparse.ArgumentParser], None]" = lambda _: None
    """adds what the command takes besides the item"""


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
    from pipeline.tracking.findings import publish_findings

    publish_search(LAYOUT.root.resolve(), options.item, params.search.tracking_uri)
    publish_evaluation(LAYOUT.root.resolve(), options.item, params.search.tracking_uri)
    publish_findings(LAYOUT, options.item, params.search.tracking_uri)


def ui(params: "Params", _: argparse.Namespace) -> None:
    from pipeline.tracking.ui import show_runs

    show_runs(LAYOUT.root.resolve(), params.search.tracking_uri)


def predict(params: "Params", options: argparse.Namespace) -> None:
    from pipeline.champion import load_champion
    from pipeline.core.errors import DataError, PipelineError
    from pipeline.datasets.image_input import find_images

    out = _output(options.out, ".csv", ".json") if options.out else None
    files = find_images(options.paths, sys.stdin.read().splitlines() if "-" in options.paths else [])
    if files.n_hidden or files.n_other:
        hidden = f"{files.n_hidden} hidden or system files and folders"
        print(f"skipped: {hidden}, {files.n_other} files without the suffix of an image", file=sys.stderr)
    if not files.paths:
        raise DataError("no image file; name files, folders or patterns", files.problems)
    champion = load_champion(options.item, LAYOUT.root, tracking_uri=params.search.tracking_uri, choice=options.model)
    print(f"model: {champion.model.origin}", file=sys.stderr)
    table, problems = champion.predict_readable(files.paths)
    if len(table):
        _write_table(table, out)
    if problems := files.problems + problems:
        raise PipelineError("\n  ".join([f"no prediction for {len(problems)} of the inputs:", *problems]))


def export(params: "Params", options: argparse.Namespace) -> None:
    from pipeline.champion import load_champion
    from pipeline.evaluation.served_model import export_program

    out = _output(options.out, ".pt2")
    champion = load_champion(options.item, LAYOUT.root, tracking_uri=params.search.tracking_uri)
    export_program(champion.model, out)
    print(f"{out}: {champion.model.origin}", file=sys.stderr)


def _output(name: str, *suffixes: str) -> Path:
    from pipeline.core.errors import InputError

    path = Path(name)
    if path.suffix not in suffixes:
        raise InputError(f"--out must end in {' or '.join(suffixes)}, got {name!r}")
    return path


def _write_table(table: "DataFrame", out: Path | None) -> None:
    """Write a table to a CSV or JSON file, whole or not at all; None: show it."""
    from pipeline.core.files import write_text
    from pipeline.core.tables import write_csv

    if out is None:
        print(table.to_string(index=False))
    elif out.suffix == ".csv":
        write_csv(out, table)
    else:
        write_text(out, table.to_json(orient="records", indent=2, force_ascii=False) + "\n")


def schema(_: "Params", options: argparse.Namespace) -> None:
    from pipeline.datasets.json_schema import dataset_schema
    from pipeline.experiment.json_schema import experiment_schema

    print(json.dumps(dataset_schema() if options.of == "dataset" else experiment_schema(), indent=2))


def list_all(params: "Params", _: argparse.Namespace) -> None:
    from pipeline.listing import listing

    print("\n".join(listing(Path(), params)))


def new(params: "Params", options: argparse.Namespace) -> None:
    from pipeline.core.errors import InputError
    from pipeline.new import new_dataset, new_experiment

    if options.kind == "dataset" and not options.folder:
        raise InputError("new dataset: name the folder with --folder; other sources are in docs/data.md")
    root = Path().resolve()
    if options.kind == "dataset":
        lines = new_dataset(root, options.name, options.folder)
    else:
        lines = new_experiment(root, options.name, options.like, options.dataset)
    print("\n".join(lines))


def _workspace(params: "Params") -> "Workspace":
    from pipeline.execution.settings import Workspace

    return Workspace(Path().resolve(), params.search)


def _schema_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("of", nargs="?", choices=("experiment", "dataset"), default="experiment")


def _new_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=("dataset", "experiment"))
    parser.add_argument("name", help="lower-case letters, digits and _")
    parser.add_argument("--folder", help="of a data set: subfolders name the class")
    parser.add_argument(
        "--like", metavar="EXPERIMENT", help="of an experiment: the one to copy, instead of a short one"
    )
    parser.add_argument("--dataset", help="of an experiment: its data set (default: the one of that name, else digits)")


def _search_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fresh", action="store_true", help="start a new study instead of resuming")
    parser.add_argument("--adopt", metavar="STUDY", help="take over its trials although data or code changed")
    best = "enqueue the best configuration of each family of STUDY, or of the last study of an EXPERIMENT"
    parser.add_argument("--from", metavar="STUDY", dest="source", help=best)


def _predict_options(parser: argparse.ArgumentParser) -> None:
    paths = "image files, folders (searched at any depth), glob patterns; -: a list of them on stdin, one a line"
    parser.add_argument("paths", nargs="+", metavar="PATH", help=paths)
    parser.add_argument("--out", metavar="FILE", help="a .csv or .json file; default: a table on stdout")
    seeds = "retraining with the best or the median score on val, or the mean over all (default: %(default)s)"
    parser.add_argument("--model", choices=("champion", "median", "all"), default="champion", help=seeds)


def _export_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="FILE", required=True, help="a .pt2 file")


COMMANDS = {
    "download": Command(download, "datasets", "fetch the published files and check them"),
    "prepare": Command(prepare, "datasets", "decode the images and group the copies"),
    "split": Command(split, "datasets", "assign whole groups to train, val and the sealed test part"),
    "explore": Command(explore, "datasets", "write the page of a data set"),
    "overlap": Command(overlap, "", "write the page of the images and patients that data sets share"),
    "search": Command(
        search, "experiments", "train the trials of an experiment; resumes an interrupted search", _search_options
    ),
    "evaluate": Command(evaluate, "experiments", "retrain winner and baseline under fresh seeds, score test once"),
    "report": Command(report, "experiments", "write the page of an experiment"),
    "summary": Command(summary, "", "write the page of all experiments"),
    "space": Command(space, "experiments", "check an experiment file and show its search space; trains nothing"),
    "layers": Command(layers, "experiments", "show the layers of baseline and winner with their shapes"),
    "publish": Command(publish, "experiments", "write finished searches, retrainings and reports to MLflow again"),
    "ui": Command(ui, "", "show the runs in MLflow until Ctrl-C; prints the addresses to open"),
    "list": Command(list_all, "", "show data sets, experiments and models, how far each has come, and its score"),
    "new": Command(new, "", "write the files of a new data set or experiment", _new_options),
    "predict": Command(predict, "experiments", "apply the trained model to image files", _predict_options),
    "export": Command(export, "experiments", "write the trained model as a program of torch.export", _export_options),
    "schema": Command(schema, "", "print the JSON schema of experiment files or those of data sets", _schema_options),
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Exit with 0 on success, 1 if a run failed, 2 on bad input, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="pipeline", description=__doc__)
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('cnn-experiments')}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        options = commands.add_parser(name, help=command.help, description=command.help)
        if command.items:
            options.add_argument("item", help=f"one of `{command.items}` in params.yaml")
        command.options(options)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # TERM stops as Ctrl-C does: state is kept
    sys.exit(_run(parser.parse_args(arguments)))


def _run(options: argparse.Namespace) -> int:
    from pipeline.core.errors import InputError, PipelineError, did_you_mean
    from pipeline.params import read_params

    name, command = options.command, COMMANDS[options.command]
    try:
        if not Path("params.yaml").exists():
            raise InputError("there is no params.yaml in this folder; run from the root of the repository")
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
