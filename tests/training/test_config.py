"""The keys of an experiment file: every one leads to its field, a wrong one to the names allowed in its place."""

import pytest
from pydantic import ValidationError

from pipeline.core.errors import InputError, UnknownKeyError
from pipeline.models.registry import registry
from pipeline.training.config import Training, all_fields, check_model_name, find_field, implied_model
from pipeline.training.optimizers import registry as optimizers
from pipeline.training.schedules import registry as schedules


def test_every_key_leads_to_its_field() -> None:
    fields = all_fields()
    assert list(fields)[: len(Training.model_fields)] == list(Training.model_fields)
    for key, info in fields.items():
        schema, name = find_field(key)
        assert schema.model_fields[name] is info
    assert find_field("mlp.depth") == (registry()["mlp"].options, "depth")
    assert "momentum" in fields


@pytest.mark.parametrize(
    ("key", "wrong", "known"),
    [
        ("learning_rate", "learning_rate", list(Training.model_fields)),
        ("mpl.depth", "mpl", list(registry())),
        ("mlp.deep", "deep", list(registry()["mlp"].options.model_fields)),
    ],
)
def test_an_unknown_key_names_the_part_that_is_wrong(key: str, wrong: str, known: list[str]) -> None:
    with pytest.raises(UnknownKeyError) as error:
        find_field(key)
    assert error.value.wrong == wrong
    assert list(error.value.known) == known
    assert all(name in str(error.value) for name in known)


@pytest.mark.parametrize("field", ["optimizer", "schedule"])
def test_names_of_a_registry_are_checked_and_listed(field: str) -> None:
    known = {"optimizer": optimizers, "schedule": schedules}[field]()
    config = {"model": "mlp", "lr": 1, "batch_size": 1, "n_epochs": 1}
    for name in known:
        assert getattr(Training.model_validate({**config, field: name}), field) == name
    with pytest.raises(ValidationError) as error:
        Training.model_validate({**config, field: "nonsense"})
    (problem,) = error.value.errors()
    assert problem["type"] == "literal_error"
    assert all(repr(name) in problem["ctx"]["expected"] for name in known)
    assert Training.model_json_schema()["properties"][field]["enum"] == list(known)


def test_model_names_are_checked_with_their_variant() -> None:
    check_model_name("mlp")
    check_model_name("timm:resnet18")
    for model in ("mpl", "timm:resnet_18", "mlp:big"):
        with pytest.raises(InputError, match=model.rpartition(":")[2]):
            check_model_name(model)


def test_an_option_implies_its_model_unless_that_has_variants() -> None:
    assert implied_model("mlp.depth") == "mlp"
    assert implied_model("lr") is None
    for family, spec in registry().items():
        assert (implied_model(f"{family}.anything") is None) == bool(spec.variants)


def test_on_and_off_are_booleans_where_a_boolean_is_wanted() -> None:
    training = {"model": "mlp", "lr": 0.1, "batch_size": 2, "n_epochs": 1}
    assert Training.model_validate({**training, "class_weights": "on"}).class_weights
    assert not Training.model_validate({**training, "class_weights": "no"}).class_weights
