"""Taps of a kernel that meet no pixel have gradients of 0 in every precision, on every processor."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from itertools import product
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import InputError, TrainingError
from pipeline.models.registry import Shapes, build_model
from pipeline.training.prediction import predict
from pipeline.training.process import keep_freed_memory
from pipeline.training.small_inputs import PARAMETERS, SmallInputGuard, seeing_taps
from pipeline.training.trainer import Trainer
from registered import MODELS
from training_examples import samples_of

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
Layer = Callable[[], nn.Module]
BLIND: dict[str, tuple[Layer, tuple[int, ...]]] = {  # with the shape of a batch that some taps do not meet
    "3x3, stride 2, on 1x1": (lambda: nn.Conv2d(64, 64, 3, 2, 1), (16, 64, 1, 1)),
    "5x5, stride 3, on 2x2": (lambda: nn.Conv2d(64, 64, 5, 3, 2), (16, 64, 2, 2)),
    "7x7, stride 2, on 1x1": (lambda: nn.Conv2d(16, 64, 7, 2, 3), (16, 16, 1, 1)),
    "2x2, stride 2, on 1x1": (lambda: nn.Conv2d(64, 64, 2, 2, 1), (16, 64, 1, 1)),
    "3x3, stride 2, on 1x4": (lambda: nn.Conv2d(64, 64, 3, 2, 1), (16, 64, 1, 4)),
    "grouped": (lambda: nn.Conv2d(64, 64, 3, 2, 1, groups=4), (16, 64, 1, 1)),
    "depthwise": (lambda: nn.Conv2d(64, 64, 3, 2, 1, groups=64), (16, 64, 1, 1)),
    "dilated": (lambda: nn.Conv2d(64, 64, 3, 2, 2, dilation=2), (16, 64, 2, 2)),
    "stride 1": (lambda: nn.Conv2d(64, 64, 3, 1, 1), (16, 64, 1, 1)),
    "stride 1, wide": (lambda: nn.Conv2d(64, 64, 7, 1, "same"), (16, 64, 2, 2)),
    "padding beyond the kernel": (lambda: nn.Conv2d(64, 64, 4, 3, 3), (16, 64, 1, 1)),
    "1-D": (lambda: nn.Conv1d(16, 16, 3, 2, 1), (16, 16, 1)),
    "3-D": (lambda: nn.Conv3d(16, 16, 3, 2, 1), (16, 16, 1, 1, 1)),
    "transposed": (lambda: nn.ConvTranspose2d(16, 64, 3, 2, 1), (16, 16, 1, 1)),
}
COLUMNS: dict[str, tuple[Layer, tuple[int, ...]]] = {  # positions one above the other, strides to the right
    "3x3, stride 2, on 4x1": (lambda: nn.Conv2d(64, 64, 3, 2, 1), (16, 64, 4, 1)),
    "3x3, stride 2, on 8x2": (lambda: nn.Conv2d(64, 64, 3, 2, 1), (16, 64, 8, 2)),
    "5x5, stride 3, on 7x3": (lambda: nn.Conv2d(64, 64, 5, 3, 2), (16, 64, 7, 3)),
    "2x2, stride 2, without padding": (lambda: nn.Conv2d(64, 64, 2, 2), (16, 64, 6, 3)),
    "dilated": (lambda: nn.Conv2d(64, 64, 3, 2, 2, dilation=2), (16, 64, 4, 1)),
    "stride to the right alone": (lambda: nn.Conv2d(64, 64, 3, (1, 2), 1), (16, 64, 4, 1)),
    "transposed": (lambda: nn.ConvTranspose2d(64, 64, 3, 2, 1), (16, 64, 4, 1)),
}
SEEING: dict[str, tuple[Layer, tuple[int, ...]]] = {
    "convolution on 3x3": (lambda: nn.Conv2d(64, 64, 3, 2, 1), (16, 64, 3, 3)),
    "stride without padding": (lambda: nn.Conv2d(64, 64, 1, 2), (16, 64, 1, 1)),
    "transposed": (lambda: nn.ConvTranspose2d(16, 64, 2, 2), (16, 16, 1, 1)),
    "average pooling": (lambda: nn.AvgPool2d(3, 2, 1), (16, 64, 1, 1)),
    "maximum pooling": (lambda: nn.MaxPool2d(3, 2, 1), (16, 64, 1, 1)),
    "pooling rounded up": (lambda: nn.MaxPool2d(2, ceil_mode=True), (16, 64, 3, 3)),
    "global pooling": (lambda: nn.AdaptiveAvgPool2d(1), (16, 64, 1, 1)),
    "pooling to a larger side": (lambda: nn.AdaptiveAvgPool2d(3), (16, 64, 2, 2)),
    "batch norm": (lambda: nn.BatchNorm2d(64), (16, 64, 1, 1)),
    "group norm": (lambda: nn.GroupNorm(4, 64), (16, 64, 1, 1)),
    "layer norm": (lambda: nn.LayerNorm(64), (16, 64)),
    "linear": (lambda: nn.Linear(64, 1), (16, 64)),
}


class FaultyProcessor(TorchFunctionMode):
    """Returns NaN as the weight gradient of blind taps, which are those whose true gradient is 0 on positive images."""

    def __init__(self) -> None:
        super().__init__()
        self.n_faults = 0

    def __torch_function__(
        self, func: Callable, types: object, args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func not in PARAMETERS or not torch.is_autocast_enabled("cpu") or not torch.is_grad_enabled():
            return func(*args, **(kwargs or {}))
        given = {**dict(zip(PARAMETERS[func], args, strict=False)), **(kwargs or {})}
        weight = given["weight"]
        if not weight.requires_grad:
            return func(**given)
        blind = untouched(func, given)
        self.n_faults += int(blind.any())
        weight = torch.ops.aten.alias(weight)  # a view may have other strides, which changes the last bits
        weight.register_hook(lambda gradient: gradient.masked_fill(blind, float("nan")))
        return func(**{**given, "weight": weight})


def untouched(func: Callable, given: Mapping[str, Any]) -> Tensor:
    """Which elements of the weight have a gradient of 0 where all images and gradients of outputs are 1."""
    weight = torch.ones_like(given["weight"], dtype=torch.float32).detach().requires_grad_()
    ones = {"input": torch.ones_like(given["input"], dtype=torch.float32), "weight": weight, "bias": None}
    with torch.autocast("cpu", enabled=False), torch.enable_grad():
        (gradient,) = torch.autograd.grad(func(**{**given, **ones}).sum(), weight)
    return gradient == 0


def fill_freed_memory() -> None:
    """Leave NaN in what the next allocations of up to 512 KiB get."""
    keep_freed_memory()
    sizes = [size for power in range(4, 18) for size in (2**power, 3 * 2**power // 2)]
    held = [torch.full((size,), float("nan")) for size in sizes for _ in range(max(2, min(16, 2**18 // size)))]
    del held


def gradients(layer: nn.Module, images: Tensor, precision: str, guard: SmallInputGuard | None = None) -> list[Tensor]:
    """Return the output, then the gradients of the images and the parameters, in freed memory that holds NaN."""
    layer.zero_grad()
    images = images.clone().requires_grad_()
    fill_freed_memory()
    half = torch.autocast("cpu", PRECISIONS[precision], enabled=precision != "float32")
    with half, guard.forward_pass() if guard else nullcontext():
        output = layer(images).float()
    fill_freed_memory()
    (output * torch.linspace(0.5, 1.5, output.numel()).view_as(output)).sum().backward()
    return [output.detach(), images.grad, *[p.grad.clone() for p in layer.parameters()]]


def made(case: tuple[Layer, tuple[int, ...]]) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    layer, images = case[0](), torch.randn(case[1])
    if images.ndim != 4:
        return layer, images
    return layer.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)


def near(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=0.05, atol=0.03 * float(b.abs().max()))


@pytest.mark.parametrize(
    ("side", "geometry", "seen"),
    [
        (1, {"kernel_size": 3, "stride": 2, "padding": 1}, [1]),
        (2, {"kernel_size": 3, "stride": 2, "padding": 1}, [1, 2]),
        (3, {"kernel_size": 3, "stride": 2, "padding": 1}, [0, 1, 2]),
        (2, {"kernel_size": 5, "stride": 3, "padding": 2}, [2, 3]),
        (1, {"kernel_size": 4, "stride": 3, "padding": 3}, [0, 3]),  # at the second position and at the first
        (2, {"kernel_size": 3, "padding": 2, "dilation": 2}, [1]),
        (2, {"kernel_size": 5, "padding": "same"}, [1, 2, 3]),
        (4, {"kernel_size": 3, "padding": "valid"}, [0, 1, 2]),
    ],
    ids=str,
)
def test_taps_that_meet_a_pixel_by_hand(side: int, geometry: dict, seen: list[int]) -> None:
    layer, images = nn.Conv1d(1, 1, **geometry), torch.ones(1, 1, side)
    given = {"input": images, "weight": layer.weight, **{k: v for k, v in geometry.items() if k != "kernel_size"}}
    assert seeing_taps(given, layer(images), transposed=False) == tuple((tap,) for tap in seen)


@pytest.mark.parametrize("func", PARAMETERS, ids=lambda func: func.__name__)
def test_seeing_taps_are_those_with_a_gradient(func: Callable) -> None:
    transposed = "output_padding" in PARAMETERS[func]
    n_axes = int(func.__name__[-2])
    n_blind = 0
    n_checked = 0
    for side, kernel, stride, padding, dilation in product((1, 2, 3), (1, 3, 4), (1, 2, 3), (0, 1, 2), (1, 2)):
        reach = dilation * (kernel - 1) + 1
        n_out = (side - 1) * stride - 2 * padding + reach if transposed else side + 2 * padding - reach + 1
        if n_out < 1:
            continue
        given = {
            "input": torch.ones(1, 1, *[side] * n_axes),
            "weight": torch.ones(1, 1, *[kernel] * n_axes),
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
        }
        blind = untouched(func, given)[0, 0]
        taps = seeing_taps(given, func(**given), transposed=transposed)
        assert taps == tuple(map(tuple, (~blind).nonzero().tolist())), given
        n_checked += 1
        n_blind += bool(blind.any())
    assert 20 < n_blind < n_checked


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", BLIND)
def test_blind_taps_have_no_gradient_and_all_else_keeps_its_bits(name: str, precision: str) -> None:
    layer, images = made(BLIND[name])
    exact = gradients(layer, images, "float32")
    plain = gradients(layer, images, precision)
    guard = SmallInputGuard()
    guarded = gradients(layer, images, precision, guard)
    blind = exact[2] == 0  # of the weight
    assert blind.any()
    assert guard.is_needed == (precision != "float32")
    assert not guarded[2][blind].any()
    assert torch.equal(guarded[2][~blind], plain[2][~blind])
    assert all(torch.equal(a, b) for i, (a, b) in enumerate(zip(guarded, plain, strict=True)) if i != 2)
    assert all(near(a, b) for a, b in zip(guarded, exact, strict=True))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", BLIND)
def test_what_a_faulty_processor_returns_reaches_no_weight(name: str, precision: str) -> None:
    layer, images = made(BLIND[name])
    exact = gradients(layer, images, "float32")
    with FaultyProcessor() as faulty:
        plain = gradients(layer, images, precision)
        guarded = gradients(layer, images, precision, SmallInputGuard())
    assert faulty.n_faults == 2
    assert torch.equal(plain[2].isnan(), exact[2] == 0)
    assert all(near(a, b) for a, b in zip(guarded, exact, strict=True))


@pytest.mark.parametrize("name", COLUMNS)
def test_strided_columns_are_computed_in_float32(name: str) -> None:
    layer, images = made(COLUMNS[name])
    exact = gradients(layer, images, "float32")
    guard = SmallInputGuard()
    guarded = gradients(layer, images, "bfloat16", guard)
    assert guard.is_needed
    assert torch.equal(guarded[0], exact[0].bfloat16().float())
    assert all(near(a, b) for a, b in zip(guarded, exact, strict=True))
    fill_freed_memory()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), SmallInputGuard().forward_pass():
        assert torch.equal(layer(images).float(), guarded[0])


def test_images_of_one_column_are_predicted_in_float32() -> None:
    rng = np.random.default_rng(2)
    samples = samples_of(rng.integers(0, 256, (40, 64, 2, 1), dtype=np.uint8), n_train=32)
    config = {"model": "cnn", "cnn.pooling": "stride", "cnn.depth": 3, "cnn.width": 64, "batch_size": 8, "n_epochs": 1}
    trainer = Trainer({**config, "lr": 0.001, "precision": "bfloat16"}, samples, seed=1)
    list(trainer.epochs())
    fill_freed_memory()
    half = predict(trainer.model, trainer.description, samples.images)
    exact = predict(trainer.model, trainer.description.model_copy(update={"precision": "float32"}), samples.images)
    assert np.abs(half - exact).max() < 0.02


@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_keep_their_layout(channels: int) -> None:
    """A view of a one-channel kernel in channels-last order may have other strides, and the optimizer other sums."""
    layer, images = made((lambda: nn.Conv2d(channels, 8, 3, padding=1), (4, channels, 8, 8)))
    strides = []
    for guard in (None, SmallInputGuard()):
        gradients(layer, images, "bfloat16", guard)
        strides.append(layer.weight.grad.stride())
    assert strides[0] == strides[1]


def test_a_layer_that_runs_on_two_sizes_keeps_the_gradients_of_both() -> None:
    layer, images = made(BLIND["3x3, stride 2, on 1x1"])
    large = torch.randn(16, 64, 3, 3)
    with FaultyProcessor(), torch.autocast("cpu", torch.bfloat16), SmallInputGuard().forward_pass():
        (layer(images).float().sum() + layer(large).float().sum()).backward()
    both = layer.weight.grad.clone()
    layer.zero_grad()
    (layer(images).sum() + layer(large).sum()).backward()
    assert near(both, layer.weight.grad)


@pytest.mark.xfail(reason="oneDNN: docs/onednn.md", raises=AssertionError, strict=False)
def test_plain_torch_is_right_on_this_processor() -> None:
    """XPASS: this torch does not need the guard on this processor."""
    wrong = set()
    for name, _ in product(both := BLIND | COLUMNS, range(3)):
        layer, images = made(both[name])
        exact = gradients(layer, images, "float32")
        plain = gradients(layer, images, "bfloat16")
        if not all(near(a, b) for a, b in zip(plain, exact, strict=True)):
            wrong.add(name)
    assert not wrong, f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}: {sorted(wrong)}"


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", SEEING)
def test_other_layers_are_right_without_a_guard(name: str, precision: str) -> None:
    layer, images = made(SEEING[name])
    exact = gradients(layer, images, "float32")
    plain = gradients(layer, images, precision)
    guard = SmallInputGuard()
    guarded = gradients(layer, images, precision, guard)
    assert not guard.is_needed
    assert all(near(a, b) for a, b in zip(plain, exact, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(guarded, plain, strict=True))


SMALL: dict[str, Configuration] = {
    **{model: {"model": model} for model in MODELS},
    "strided cnn": {"model": "cnn", "cnn.pooling": "stride", "cnn.batch_norm": True, "cnn.depth": 4, "cnn.kernel": 5},
    "efficientnet": {"model": "timm:test_efficientnet"},
}
SIZES: Configuration = {
    "cnn.width": 8,
    "mlp.width": 8,
    "unet_encoder.width": 4,
    "se_resnet.depth": 2,
    "whitened_cnn.width": 8,
}
WITH_BLIND_TAPS = {"strided cnn", "timm:test_resnet", "efficientnet", "unet_encoder", "se_resnet", "whitened_cnn"}


def smallest_side(config: Configuration) -> int:
    """Pixels of the smallest square images that the model takes."""
    family = config["model"].partition(":")[0]
    options = {k.partition(".")[2]: v for k, v in {**SIZES, **config}.items() if k.startswith(f"{family}.")}
    for side in range(1, 65):
        try:
            build_model(config["model"], options, Shapes(1, side, side, 2))(torch.zeros(2, 1, side, side))
        except (InputError, RuntimeError, ValueError):
            continue
        return side
    raise AssertionError(config)


def squares(side: int) -> Samples:
    return samples_of(np.random.default_rng(1).integers(0, 256, (40, side, side, 1), dtype=np.uint8), n_train=32)


def trained(config: Configuration, samples: Samples) -> dict[str, Tensor]:
    settings = {"lr": 0.01, "batch_size": 8, "n_epochs": 2, "clip_norm": 1.0, "weight_decay": 0.01}
    trainer = Trainer({**SIZES, **settings, **config}, samples, seed=1)
    fill_freed_memory()
    for _ in trainer.epochs():
        fill_freed_memory()
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", SMALL)
def test_every_model_learns_the_smallest_images_as_if_no_processor_were_faulty(name: str, precision: str) -> None:
    config = {**SMALL[name], "precision": precision}
    samples = squares(smallest_side(config))
    healthy = trained(config, samples)
    with FaultyProcessor() as faulty:
        again = trained(config, samples)
    assert faulty.n_faults or name not in WITH_BLIND_TAPS
    assert all(value.isfinite().all() for value in healthy.values())
    assert all(torch.equal(again[key], healthy[key]) for key in healthy)


@contextmanager
def unguarded(self: SmallInputGuard) -> Iterator[None]:
    yield


def test_without_the_guard_a_faulty_processor_ruins_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {**SMALL["timm:test_resnet"], "precision": "bfloat16"}
    monkeypatch.setattr(SmallInputGuard, "forward_pass", unguarded)
    with FaultyProcessor(), pytest.raises(TrainingError, match="nan"):
        trained(config, squares(smallest_side(config)))


@pytest.mark.parametrize("name", SMALL)
def test_models_without_such_layers_keep_every_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {**SMALL[name], "precision": "bfloat16"}
    samples = squares(40)  # px, so large that every tap of these models meets a pixel
    with FaultyProcessor() as faulty:
        guarded = trained(config, samples)
    monkeypatch.setattr(SmallInputGuard, "forward_pass", unguarded)
    plain = trained(config, samples)
    assert not faulty.n_faults
    assert all(torch.equal(guarded[key], plain[key]) for key in plain)


def test_only_the_first_pass_is_guarded_where_all_taps_meet_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, n_expected in (("convolution on 3x3", 1), ("3x3, stride 2, on 1x1", 3)):
        layer, images = made({**SEEING, **BLIND}[name])
        guard = SmallInputGuard()
        checked = Mock(wraps=seeing_taps)
        monkeypatch.setattr("pipeline.training.small_inputs.seeing_taps", checked)
        for _ in range(3):
            with torch.autocast("cpu", torch.bfloat16), guard.forward_pass():
                layer(images)
        assert checked.call_count == n_expected
