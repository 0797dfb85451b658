"""Layer by layer: output shapes worked by hand, the formula against the forward pass, parameters that add up."""

import pytest
import torch
from torch import nn

from pipeline.core.errors import PipelineError
from pipeline.models import model_summary
from pipeline.models.model_summary import SLIDING, summarise
from pipeline.models.registry import Shapes, build_model
from registered import MODELS

PADDED = pytest.param("timm:tf_efficientnet_lite0", marks=pytest.mark.slow)  # by rules of its own


@pytest.mark.parametrize("model", [*MODELS, PADDED])
@pytest.mark.parametrize("size", [Shapes(3, 33, 46, 4), Shapes(1, 28, 28, 2)], ids=str)
def test_formula_and_forward_pass_agree_and_parameters_add_up(model: str, size: Shapes) -> None:
    network = build_model(model, {}, size)
    rows = list(summarise(network, size))
    assert sum(row.n_parameters for row in rows) == sum(p.numel() for p in network.parameters())
    assert any(row.side_px for row in rows) == any(type(layer) in SLIDING for layer in network.modules())
    assert rows[-1].output == (size.n_classes,)
    assert network.training


def test_lenet_has_the_shapes_of_the_lecture() -> None:
    rows = list(summarise(build_model("lenet", {}, Shapes(3, 32, 32, 10)), Shapes(3, 32, 32, 10)))
    assert [(row.kind, row.output, row.n_parameters, row.side_px) for row in rows] == [
        ("Conv2d", (20, 28, 28), 1_520, (28, 28)),  # 32 - 5 + 1; 5*5*3*20+20
        ("ReLU", (20, 28, 28), 0, None),
        ("MaxPool2d", (20, 14, 14), 0, (14, 14)),
        ("Conv2d", (50, 10, 10), 25_050, (10, 10)),
        ("ReLU", (50, 10, 10), 0, None),
        ("MaxPool2d", (50, 5, 5), 0, (5, 5)),
        ("Flatten", (1_250,), 0, None),
        ("Linear", (500,), 625_500, None),
        ("ReLU", (500,), 0, None),
        ("Linear", (10,), 5_010, None),
    ]


@pytest.mark.parametrize(
    ("layer", "side"),
    [
        (nn.Conv2d(1, 1, 3, stride=2, dilation=2, padding=(0, 1)), (5, 8)),  # kernel of 5: (13-5)/2+1, (18+2-5)//2+1
        (nn.AvgPool2d(3, stride=2, padding=1), (7, 9)),
        (nn.MaxPool2d(2, ceil_mode=True), None),
        (nn.Conv2d(1, 1, 3, padding="same"), None),
        (nn.Conv2d(1, 1, 3, stride=(3, 2)), (4, 8)),
    ],
    ids=str,
)
def test_what_the_formula_says_of_a_layer(layer: nn.Module, side: tuple[int, int] | None) -> None:
    assert [row.side_px for row in summarise(layer, Shapes(1, 13, 18, 1))] == [side]


def test_a_disagreement_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model, size = build_model("lenet", {}, Shapes(1, 28, 28, 2)), Shapes(1, 28, 28, 2)
    monkeypatch.setattr(model_summary, "conv_output_px", lambda input_px, kernel, padding, stride: input_px // stride)
    with pytest.raises(PipelineError, match=r"0 maps \(28, 28\) px to \(24, 24\), but the formula gives \(28, 28\)"):
        list(summarise(model, size))
    assert not any(module._forward_hooks for module in model.modules())


def test_a_layer_run_twice_counts_once_and_one_not_run_is_an_error() -> None:
    twice = nn.Conv2d(1, 1, 1)
    assert [row.n_parameters for row in summarise(nn.Sequential(twice, twice), Shapes(1, 4, 4, 1))] == [2, 0]
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    network.register_module("never", nn.Linear(2, 2))
    network.forward = lambda images: network[1](network[0](images))  # type: ignore[method-assign]
    with pytest.raises(PipelineError, match=r"does not use never\.weight, never\.bias"):
        list(summarise(network, Shapes(1, 4, 4, 2)))


def test_parameters_outside_the_last_layers_are_listed() -> None:
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shift = nn.Parameter(torch.zeros(3))
            self.inner = nn.Linear(4, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.inner(images.flatten(1)) + self.shift

    rows = [(row.name, row.kind, row.n_parameters) for row in summarise(Shifted(), Shapes(1, 2, 2, 3))]
    assert rows == [("inner", "Linear", 15), ("", "Shifted", 3)]
