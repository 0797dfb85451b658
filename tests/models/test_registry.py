"""Contracts that every registered model keeps."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pipeline.core.errors import InputError
from pipeline.core.yaml_document import Strict
from pipeline.models.registry import Shapes, build_model, describe, model_spec, rebuild, register, registry
from registered import MODELS

SHAPES = [Shapes(1, 28, 28, 10), Shapes(3, 32, 32, 4), Shapes(1, 24, 40, 2)]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("model", MODELS)
def test_maps_images_to_logits_and_passes_gradients(model: str, shapes: Shapes) -> None:
    torch.manual_seed(0)
    network = build_model(model, {}, shapes)
    logits = network(torch.randn(2, shapes.channels, shapes.height, shapes.width))
    assert logits.shape == (2, shapes.n_classes)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters() if p.requires_grad)


@pytest.mark.parametrize("model", MODELS)
def test_is_rebuilt_from_its_description(model: str, tmp_path: Path) -> None:
    shapes = Shapes(1, 28, 28, 10)
    network = build_model(model, {}, shapes).eval()
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    again = rebuild(describe(model, {}, shapes), tmp_path / "weights.safetensors")
    images = torch.randn(3, 1, 28, 28)
    assert not again.training
    assert torch.equal(network(images), again(images))


def test_damaged_or_foreign_weights_are_refused(tmp_path: Path) -> None:
    shapes = Shapes(1, 8, 8, 2)
    weights = tmp_path / "weights.safetensors"
    save_file(build_model("mlp", {"width": 4}, shapes).state_dict(), weights)
    with pytest.raises(InputError, match="holds no weights of this mlp"):
        rebuild(describe("mlp", {"width": 5}, shapes), weights)
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(InputError, match="holds no weights of this mlp"):
        rebuild(describe("mlp", {"width": 4}, shapes), weights)


def test_unknown_names_get_the_nearest() -> None:
    for family in registry():
        with pytest.raises(InputError, match=rf"did you mean '{family}'") as error:
            model_spec(f"{family}x")
        assert all(known in str(error.value) for known in registry())
    with pytest.raises(InputError, match="did you mean 'timm:resnet18'"):
        build_model("timm:resnet_18", {}, SHAPES[0])


def test_a_family_cannot_be_registered_twice() -> None:
    with pytest.raises(ValueError, match="'mlp' is registered twice"):
        register("mlp", Strict)(lambda options, shapes, variant: nn.Identity())
