"""Fidelity: how many steps a configuration is trained before it is compared, and which are trained further.

Successive halving (Jamieson and Talwalkar 2016) within each model family: short trainings order configurations of one
family well and families badly, so that families meet at the last rung alone.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from pipeline.core.yaml_document import Integer, Strict

MIN_STEPS = 25  # of the first rung at the largest batch: below, ranks say little about those of a long training
MIN_RATIO = 1.5  # of the shares of neighbouring rungs


def _share(value: Any) -> Any:
    """Return a fraction such as `1/9`, which YAML reads as text, as a number."""
    if isinstance(value, str):
        above, slash, below = value.partition("/")
        if slash and above.strip().isdecimal() and below.strip().isdecimal() and int(below):
            return int(above) / int(below)
        raise ValueError("must be a number or a fraction such as 1/9")
    if isinstance(value, bool):
        raise ValueError("must be a number or a fraction such as 1/9")
    return value


SHARE_SCHEMA = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        {"type": "string", "pattern": "^[0-9]+ */ *[0-9]+$"},
    ]
}


class Rung(Strict):
    """One comparison of configurations at equal shares of their steps."""

    share: Annotated[float, Field(gt=0, le=1), BeforeValidator(_share), WithJsonSchema(SHARE_SCHEMA)] = Field(
        description="of the steps that n_epochs stands for; a fraction of an epoch is allowed"
    )
    best: Annotated[Integer, Field(ge=1)] | None = Field(
        None, description="configurations of each family that reach this rung; not for the first, which trains all"
    )
    seeds: Annotated[Integer, Field(ge=1, description="trainings whose mean score is compared")] = 1


class Fidelity(Strict):
    """Section `fidelity` of an experiment file."""

    rungs: tuple[Rung, ...] = Field(min_length=1, description="from the first, which all configurations reach, upward")
    stratify: str = Field("model", description="key within whose values configurations are compared: the family")
    schedule: Literal["whole", "prefix"] = Field(
        "whole",
        description="whole: each rung is a training of its own, with a schedule that ends there; prefix: the training "
        "of the rung before continues, on the schedule of the full one",
    )

    @model_validator(mode="after")
    def _rising(self) -> "Fidelity":
        first, later = self.rungs[0], self.rungs[1:]
        if first.best is not None:
            raise ValueError("the first rung trains every configuration; remove its `best`")
        for before, rung in zip(self.rungs, later, strict=False):
            if rung.share < MIN_RATIO * before.share:
                rule = f"each share must be at least {MIN_RATIO} times the one before"
                raise ValueError(f"{rule}, got {before.share:.3g} and then {rung.share:.3g}")
            if rung.best is None:
                raise ValueError("each rung after the first needs `best`, the configurations of a family that reach it")
            if before.best is not None and rung.best > before.best:
                raise ValueError(f"`best` must not rise, got {before.best} and then {rung.best}")
        return self

    def stops(self, rung: int) -> tuple[float, ...]:
        """Return the shares at which a training that reaches this rung is compared."""
        shares = tuple(each.share for each in self.rungs[: rung + 1])
        return shares if self.schedule == "prefix" else shares[-1:]
