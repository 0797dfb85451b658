"""The configurations that an experiment file writes out: fixed, baseline, one_at_a_time, reference and enqueue."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.artifacts.configuration import Configuration, own_options
from pipeline.core.yaml_document import Document, Key, Scalar
from pipeline.experiment.experiment import Variations
from pipeline.experiment.search_parameters import read_value
from pipeline.training.config import Training

FROM = "from"  # key of an entry of `enqueue`: the study that it comes from


@dataclass(frozen=True)
class Given:
    """What is trained besides the sampler's draws, each a whole configuration with `fixed`."""

    fixed: Configuration
    baseline: Configuration
    variations: Variations
    references: dict[str, Configuration]
    enqueued: tuple[Configuration, ...]

    @property
    def n(self) -> int:
        """Return the number of trials that are not sampled."""
        return 1 + len(self.variations) + len(self.references) + len(self.enqueued)


def read_given(document: Document, references: Iterable[str], n_enqueued: int) -> Given:
    """Return the given configurations, and note their problems. references: their names."""
    fixed = _values(document, "fixed")
    baseline = own_options({**fixed, **_values(document, "baseline")})
    return Given(
        fixed,
        baseline,
        variations=_variations(document, baseline),
        references={name: _whole(document, ("reference", name), fixed) for name in references},
        enqueued=tuple(_whole(document, ("enqueue", i), fixed) for i in range(n_enqueued)),
    )


def section(document: Document, name: str) -> dict[str, Any]:
    """Return what a section holds, even if the rest of the file is wrong, so that all problems come at once."""
    written = document.values.get(name)
    return dict(written) if isinstance(written, Mapping) else {}


def _values(document: Document, name: str) -> Configuration:
    read = {key: read_value(document, (name, key), value) for key, value in section(document, name).items()}
    return {key: value for key, value in read.items() if value is not None}


def _whole(document: Document, at: Key, fixed: Configuration) -> Configuration:
    """Return the configuration that is written at a place, together with `fixed`."""
    within, name = at
    written = dict(document.values[str(within)][name])
    if within == "enqueue" and not isinstance(study := written.pop(FROM, ""), str):
        document.problem((*at, FROM), f"must be the name of a study, <experiment>@<hash>, got {study!r}")
    read = {key: read_value(document, (*at, key), value, key=key) for key, value in written.items()}
    config = own_options({**fixed, **{key: value for key, value in read.items() if value is not None}})
    for key in (key for key, info in Training.model_fields.items() if info.is_required()):
        if key not in written and key not in fixed:
            document.problem(at, f"{key!r} is missing; set it here or in `fixed`")
    return config


def _variations(document: Document, baseline: Configuration) -> Variations:
    """Return key and value of every trial that differs from the baseline in one key, in the order of the file."""
    variations: list[tuple[str, Scalar]] = []
    for key, values in section(document, "one_at_a_time").items():
        for i, value in enumerate(values if isinstance(values, list) else []):
            at = ("one_at_a_time", key, i)
            checked = read_value(document, at, value)
            if checked is None:
                continue
            if checked == baseline.get(key):
                document.problem(at, f"is the baseline's own value, {value!r}, which is trained anyway; remove it")
            elif (key, checked) in variations:
                document.problem(at, f"values must differ, got {value!r} twice")
            elif key not in own_options({**baseline, key: checked}):
                document.problem(at, f"is no option of the baseline's model {baseline.get('model')!r}")
            variations.append((key, checked))
    return tuple(variations)
