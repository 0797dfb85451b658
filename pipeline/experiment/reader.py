"""Read an experiment file: its sections, and the rules between them; all problems are reported at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field

from pipeline.artifacts.samples import DatasetInfo
from pipeline.core.yaml_document import Document, Scalar, Strict, read_yaml, validate
from pipeline.experiment.experiment import Bound, Experiment, Plan
from pipeline.experiment.given import FROM, read_given, section
from pipeline.experiment.pruners.optuna import NoPruner
from pipeline.experiment.registry import Pruner, pruners, samplers
from pipeline.experiment.rules import check_baseline, check_data, check_families, check_grid, check_steps
from pipeline.experiment.search_parameters import in_order, read_space

Bounded = Literal["val_loss", "val_accuracy", "val_macro_f1", "val_sensitivity", "val_specificity"]
Kind = TypeVar("Kind", bound=Strict)


class ExperimentFile(Plan):
    """The experiment file as written."""

    sampler: dict[str, Any] = Field({"name": "tpe"}, description="name and options")
    pruner: dict[str, Any] = Field({"name": "median"}, description="name and options")
    constraints: dict[Bounded, Bound] = Field(
        {}, description="bounds on values of the best epoch; with `fidelity`, of the end of a rung"
    )
    fixed: dict[str, Any] = Field({}, description="values that all sampled trials share")
    baseline: dict[str, Any] = Field(description="trial 0, a whole configuration together with `fixed`")
    one_at_a_time: dict[str, list[Any]] = Field({}, description="key -> values to try in the baseline, one at a time")
    reference: dict[str, dict[str, Any]] = Field(
        {}, description="name -> a known configuration, with `fixed`, trained for comparison and never chosen"
    )
    enqueue: list[dict[str, Any]] = Field(
        [],
        description="known configurations, with `fixed`, that compete with the sampled ones; `from`: the study that "
        "one comes from",
    )
    space: dict[str, Any] = Field(
        description="key -> list of choices, or range {low, high, log, step}, with `when`; or a list of such ranges"
    )


def read_experiment(
    path: Path, development: Path | None = None, more: Sequence[Mapping[str, Scalar]] = ()
) -> Experiment:
    """Return the experiment of a file.

    development: folder of the images that it must fit. more: further entries of `enqueue`, on top of `trials`, for a
    file without a problem. Raises ConfigError with every problem of the file.
    """
    document = read_yaml(path)
    if more:
        document.values["enqueue"] = [*document.values.get("enqueue", ()), *more]
        document.values["trials"] += len(more)
    file = validate(document, ExperimentFile, document.values)
    fidelity = file.fidelity if file else None
    sampler = _by_name(document, "sampler", samplers())
    pruner: Pruner | None = _by_name(document, "pruner", pruners())
    if fidelity:
        if "pruner" in document.values:
            document.problem(("pruner",), "rungs decide which trials stop; remove `pruner` or `fidelity`")
        pruner = NoPruner()
    given = read_given(document, references=file.reference if file else (), n_enqueued=len(file.enqueue) if file else 0)
    parameters = read_space(document, section(document, "space"), given.fixed)
    for key in [key for key in given.fixed if key in section(document, "space")]:
        document.problem(("space", key), "the key is also in `fixed`; keep one")
    check_baseline(document, given.baseline, parameters)
    space, trials = in_order(document, parameters), document.values.get("trials")
    if isinstance(trials, int) and 1 <= trials < given.n:
        rule = f"must be at least {given.n}, the baseline and all of one_at_a_time, reference and enqueue"
        document.problem(("trials",), f"{rule}, got {trials}")
    if fidelity:
        check_families(document, fidelity, parameters, given)
    if isinstance(trials, int) and sampler and sampler.exhaustive:
        check_grid(document, space, given, trials)
    if development:
        data = DatasetInfo.read(development / "dataset.json")
        check_data(document, data, parameters, given)
        if fidelity:
            check_steps(document, fidelity, parameters, given, n_train=data.parts["train"].images)
    document.check()
    assert file
    assert sampler
    assert pruner
    return Experiment(
        name=path.stem, sampler=sampler, pruner=pruner, constraints={**file.constraints}, space=space, **vars(given),
        **file.model_dump(include=set(Plan.model_fields)),
    )  # fmt: skip


def enqueued_from(path: Path, experiment: Experiment, more: Sequence[Mapping[str, Scalar]] = ()) -> dict[int, str]:
    """Return slot -> study that the enqueued configuration comes from, as its key `from` names it. more: see above."""
    entries = [*read_yaml(path).values.get("enqueue", ()), *more]
    slots = range(experiment.first_sampled - len(entries), experiment.first_sampled)
    return {slot: str(entry[FROM]) for slot, entry in zip(slots, entries, strict=True) if FROM in entry}


def _by_name(document: Document, name: str, kinds: Mapping[str, type[Kind]]) -> Kind | None:
    """Return the sampler or pruner with its options."""
    written = {**ExperimentFile.model_fields[name].default, **section(document, name)}
    kind = str(written["name"])
    if kind not in kinds:
        document.problem((name, "name"), f"unknown {name} {kind!r}; known are {', '.join(kinds)}", kinds, kind)
        return None
    return validate(document, kinds[kind], written, (name,))
