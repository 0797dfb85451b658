"""The rules between the sections of an experiment file."""

import math
from collections.abc import Mapping

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import DatasetInfo
from pipeline.core.yaml_document import Document, Key, Scalar
from pipeline.experiment.fidelity import MIN_STEPS, Fidelity
from pipeline.experiment.given import Given, section
from pipeline.experiment.space import SearchParameter, n_combinations
from pipeline.training.config import Training


def check_baseline(document: Document, baseline: Configuration, space: Mapping[str, SearchParameter]) -> None:
    """Trial 0 must be a whole configuration. A key with a wrong value is not also reported as missing."""
    fixed = section(document, "fixed")
    given = fixed.keys() | section(document, "baseline").keys()
    for name in (name for name, info in Training.model_fields.items() if info.is_required()):
        if name not in given:
            document.problem(("baseline",), f"{name!r} is missing; set it in `baseline` or `fixed`")
        if name not in fixed and name not in section(document, "space"):
            document.problem(("space",), f"{name!r} is missing; give it a range in `space` or a value in `fixed`")
        _check_cases(document, name, space)
    for parameter in space.values():
        if parameter.active(baseline) and (key := parameter.key) not in given:
            document.problem(("baseline",), f"{key!r} of the space is missing; set it in `baseline` or `fixed`")


def _check_cases(document: Document, name: str, space: Mapping[str, SearchParameter]) -> None:
    """Check that the cases of a key that every configuration needs cover all values of what they depend on."""
    cases = [parameter for parameter in space.values() if parameter.key == name]
    for parent in set.intersection(*(set(case.when) for case in cases)) if cases else ():
        possible = {value for other in space.values() if other.key == parent for value in other.choices}
        if missing := possible - {value for case in cases for value in case.when[parent]}:
            without = ", ".join(sorted(map(str, missing)))
            document.problem(("space", name), f"must have a value for every {parent}; add a case for {without}")


def check_grid(document: Document, space: tuple[SearchParameter, ...], given: Given, trials: int) -> None:
    """Check that every combination can be tried. The size is checked only if the file has no other problem."""
    for parameter in space:
        if parameter.n_values is None:
            document.problem(("space", parameter.key), "a grid needs a list of choices, or a step without log")
    if not document.problems and given.n + n_combinations(given.fixed, space) > trials:
        size = math.prod(parameter.n_values or 0 for parameter in space)
        rule = f"the grid does not fit: {given.n} and up to {size} combinations; raise trials or drop values"
        document.problem(("trials",), f"{rule}, got {trials}")


def check_families(document: Document, fidelity: Fidelity, space: Mapping[str, SearchParameter], given: Given) -> None:
    """Check that every trial on rungs has a family."""
    for i, config in enumerate(given.enqueued):
        if (key := fidelity.stratify) not in config:
            rule = f"{key!r}, the key of the families, is missing; set it here or in `fixed`"
            document.problem(("enqueue", i), rule)
    parameter, at = space.get(fidelity.stratify), ("fidelity", "stratify")
    if not (parameter and parameter.choices) and fidelity.stratify not in given.fixed:
        named = [name for name, each in space.items() if each.choices and not each.when]
        rule = f"must be a list of choices in `space`, or a key of `fixed`, got {fidelity.stratify!r}"
        document.problem(at, rule, named, fidelity.stratify)
    elif parameter and parameter.when:
        document.problem(at, f"must be sampled in every trial, but {fidelity.stratify!r} has conditions")


def check_steps(
    document: Document, fidelity: Fidelity, space: Mapping[str, SearchParameter], given: Given, *, n_train: int
) -> None:
    """Check that the first rung has enough steps at the largest batch and the fewest epochs.

    `images_per_unit`, which shortens an epoch, is not taken into account.
    """
    known = [given.fixed, *given.enqueued, *given.references.values()]

    def values(key: str) -> list[float]:
        entries = [each for each in space.values() if each.key == key]
        ends = [end for each in entries for end in (each.choices or (each.low, each.high))]
        return [float(value) for value in [*ends, *(config[key] for config in known if key in config)]] or [1.0]

    batch, epochs = max(values("batch_size")), min(values("n_epochs"))
    n_steps = fidelity.rungs[0].share * epochs * max(1, n_train // max(batch, 1))
    if n_steps < MIN_STEPS:
        rule = f"the first rung must have at least {MIN_STEPS} steps at batch_size {batch:g} and n_epochs {epochs:g}"
        needed = MIN_STEPS / n_steps * fidelity.rungs[0].share
        how = f"raise the share to {needed:.3f}, or lower batch_size" if needed <= 1 else "lower batch_size"
        document.problem(("fidelity", "rungs", 0), f"{rule}; {how}, got {n_steps:.0f} steps")


def check_data(document: Document, data: DatasetInfo, space: Mapping[str, SearchParameter], given: Given) -> None:
    """Check what depends on the data set: its name, batches, and bounds that need a positive class."""
    if (dataset := document.values.get("dataset")) != data.name:
        document.problem(("dataset",), f"must be {data.name!r} as in params.yaml, got {dataset!r}; make them equal")
    n_train, parameter = data.parts["train"].images, space.get("batch_size")
    sizes: dict[Key, list[object]] = {
        ("space",): [*(parameter.choices or (int(parameter.high),))] if parameter else [],
        ("fixed",): [section(document, "fixed").get("batch_size")],
        ("baseline",): [section(document, "baseline").get("batch_size")],
        ("one_at_a_time",): [value for key, value in given.variations if key == "batch_size"],
        **{("reference", name): [_own_size(config, given)] for name, config in given.references.items()},
        **{("enqueue", i): [_own_size(config, given)] for i, config in enumerate(given.enqueued)},
    }
    for at, of_section in sizes.items():
        if too_large := [size for size in of_section if isinstance(size, int) and size > n_train]:
            rule = f"must be at most {n_train}, the images of the training part, got {max(too_large)}"
            document.problem((*at, "batch_size"), rule)
    for key in section(document, "constraints"):
        if key in ("val_sensitivity", "val_specificity") and not data.positive:
            document.problem(("constraints", key), f"the data set {data.name!r} has no positive class; remove it")


def _own_size(config: Configuration, given: Given) -> Scalar | None:
    """Return a batch size that is not that of `fixed`."""
    size = config.get("batch_size")
    return None if size == given.fixed.get("batch_size") else size
