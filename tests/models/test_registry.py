"""Contracts that every registered model keeps, and the practicals' networks as points of the families."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pipeline.core.errors import InputError
from pipeline.core.yaml_document import Strict
from pipeline.evaluation.registry import Served
from pipeline.models.layers import conv_output_px, count_parameters, fit_to_images
from pipeline.models.registry import Shapes, build_model, describe, model_spec, rebuild, register, registry
from pipeline.models.se_resnet import Block, SqueezeExcite
from pipeline.models.whitened_cnn import Whitening
from pipeline.training.prediction import predict

MODELS = ["timm:test_resnet" if name == "timm" else name for name in registry()]
SHAPES = [Shapes(1, 28, 28, 10), Shapes(3, 32, 32, 4), Shapes(1, 24, 40, 2)]


def test_the_registry_holds_what_the_readme_promises() -> None:
    assert set(registry()) == {"mlp", "cnn", "lenet", "se_resnet", "timm", "unet_encoder", "whitened_cnn"}


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


@pytest.mark.parametrize(
    ("model", "options", "shapes", "parameters"),
    [
        # 16-32 conv 3x3 on MNIST: 3*3*16+16, 3*3*16*32+32, 7*7*32*10+10
        ("cnn", {"width": 16}, Shapes(1, 28, 28, 10), 160 + 4_640 + 15_690),
        # 10-20 conv 5x5 valid, 50-10: 5*5*10+10, 5*5*10*20+20, 4*4*20*50+50, 50*10+10; sum 21,840
        ("cnn", {"width": 10, "kernel": 5, "padding": "valid", "hidden": 50}, Shapes(1, 28, 28, 10), 21_840),
        # 2 conv + 2 fc on 256x256 RGB scans: 3*3*3*8+8, 3*3*8*16+16, 64*64*16*32+32, 32*2+2
        ("cnn", {"width": 8, "hidden": 32}, Shapes(3, 256, 256, 2), 224 + 1_168 + 2_097_184 + 66),
        # LeNet 20-50 conv 5x5, 500-10 on CIFAR-10: 5*5*3*20+20, 5*5*20*50+50, 5*5*50*500+500, 500*10+10
        ("lenet", {}, Shapes(3, 32, 32, 10), 1_520 + 25_050 + 625_500 + 5_010),
        # 4 conv + 2 fc: 320, 18_496, 73_856, 295_168; 2*2*256*128+128, 128*10+10; sum 520,330
        ("cnn", {"depth": 4, "width": 32, "hidden": 128}, Shapes(1, 32, 32, 10), 520_330),
        # batch norm takes the place of the bias: 9*4, 2*4; 4*4*4*2+2
        ("cnn", {"depth": 1, "width": 4, "batch_norm": True}, Shapes(1, 8, 8, 2), 36 + 8 + 130),
        # a 1x1 convolution behind each block, two hidden layers: 9*4+4, 4*4+4, 4*9*8+8, 8*8+8; 2*2*8*6+6, 6*5+5, 5*3+3
        (
            "cnn",
            {"width": 4, "convs_1x1": 1, "hidden": 6, "hidden2": 5},
            Shapes(1, 8, 8, 3),
            40 + 20 + 296 + 72 + 198 + 35 + 18,
        ),
        # stem 9*4+8; block 2*(9*4*4+8), gate 4*2+2+2*4+4, projection 4*4+8; the next without projection; 4*2+2
        (
            "se_resnet",
            {"depth": 1, "width": 4, "blocks": 2, "reduction": 2},
            Shapes(1, 8, 8, 2),
            44 + (304 + 22 + 24) + (304 + 22) + 10,
        ),
        # pairs of 3x3 convolutions with norms, 1-2-4-8-16-32: 9*1*2+9*2*2+8, 9*2*4+9*4*4+16, ...; 32*2+2
        (
            "unet_encoder",
            {"width": 2},
            Shapes(1, 16, 16, 2),
            62 + (216 + 16) + (864 + 32) + (3_456 + 64) + (13_824 + 128) + 66,
        ),
        ("mlp", {"depth": 2, "width": 32}, Shapes(1, 28, 28, 10), 784 * 32 + 32 + 32 * 32 + 32 + 330),
    ],
)  # fmt: skip
def test_networks_of_the_practicals_have_their_parameters(
    model: str, options: dict, shapes: Shapes, parameters: int
) -> None:
    assert count_parameters(build_model(model, options, shapes)) == parameters


@pytest.mark.parametrize("geometry", [(28, 5, 0, 1), (32, 3, 1, 2), (33, 3, 1, 2), (7, 7, 0, 3)], ids=str)
def test_output_shape_formula_agrees_with_a_forward_pass(geometry: tuple[int, int, int, int]) -> None:
    side, kernel, padding, stride = geometry
    output = nn.Conv2d(1, 1, kernel, stride, padding)(torch.zeros(1, 1, side, side))
    assert output.shape[-1] == conv_output_px(side, kernel, padding, stride)


@pytest.mark.parametrize("pooling", ["max", "average", "stride"])
@pytest.mark.parametrize("head", ["flatten", "average"])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_every_form_of_cnn_fits_odd_sizes(pooling: str, head: str, padding: str) -> None:
    options = {"pooling": pooling, "head": head, "padding": padding, "convs": 2, "batch_norm": True}
    network = build_model("cnn", options, Shapes(2, 29, 37, 3))
    assert network(torch.zeros(2, 2, 29, 37)).shape == (2, 3)


def kinds(network: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in network.children()]


def test_order_of_norm_activation_and_pooling() -> None:
    options = {"depth": 1, "convs": 2, "batch_norm": True, "convs_1x1": 1}
    ends = ["Flatten", "Dropout", "Linear"]
    conv, norm, relu, pool = "Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"
    for order, expected in {
        "norm_relu_pool": [conv, norm, relu, conv, norm, relu, pool, conv, norm, relu],
        "relu_norm_pool": [conv, relu, norm, conv, relu, norm, pool, conv, relu, norm],
        "norm_pool_relu": [conv, norm, relu, conv, norm, pool, relu, conv, norm, relu],
    }.items():
        assert kinds(build_model("cnn", {**options, "order": order}, Shapes(1, 8, 8, 2))) == expected + ends
    assert kinds(build_model("cnn", options, Shapes(1, 8, 8, 2)))[:3] == [conv, norm, relu]


def test_pooling_before_the_activation_changes_averages_and_no_maxima() -> None:
    images = torch.randn(3, 1, 8, 8)
    for pooling, equal in {"max": True, "average": False}.items():
        logits = []
        for order in ("norm_relu_pool", "norm_pool_relu"):
            torch.manual_seed(0)
            logits.append(build_model("cnn", {"pooling": pooling, "order": order}, Shapes(1, 8, 8, 2))(images))
        assert torch.equal(*logits) == equal


def test_a_description_from_before_an_option_existed_is_rebuilt(tmp_path: Path) -> None:
    shapes = Shapes(1, 8, 8, 2)
    network = build_model("cnn", {"batch_norm": True}, shapes).eval()
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    description = describe("cnn", {"batch_norm": True}, shapes)
    for option in ("order", "convs_1x1", "hidden2"):
        del description["options"][option]
    images = torch.randn(3, 1, 8, 8)
    assert torch.equal(rebuild(description, tmp_path / "weights.safetensors")(images), network(images))


def test_a_second_hidden_layer_needs_a_first() -> None:
    with pytest.raises(InputError, match="cnn: hidden2=5 needs a first hidden layer"):
        build_model("cnn", {"hidden2": 5}, Shapes(1, 8, 8, 2))


def test_a_residual_block_adds_what_came_in() -> None:
    torch.manual_seed(0)
    same, halved = Block(4, 4, 1, 2), Block(4, 8, 2, 2)
    images = torch.randn(2, 4, 5, 7)
    for block in (same, halved):
        last_norm = block.residual[4]
        assert isinstance(last_norm, nn.BatchNorm2d)
        nn.init.zeros_(last_norm.weight)  # the residual is 0 then, so the skip is all that is left
    assert torch.equal(same(images), images.relu())
    assert torch.equal(halved(images), halved.skip(images).relu())
    assert halved(images).shape == (2, 8, 3, 4)


def test_squeeze_and_excitation_scales_each_channel_by_a_gate_between_0_and_1() -> None:
    torch.manual_seed(0)
    gated = SqueezeExcite(6, 2)
    images = torch.randn(3, 6, 4, 5)
    gate = gated.gate(images)
    assert gate.shape == (3, 6, 1, 1)
    assert ((gate > 0) & (gate < 1)).all()
    assert gate.unique().numel() == gate.numel()  # each image and channel has its own
    assert torch.allclose(gated(images) / images, gate.expand_as(images))
    nn.init.constant_(gated.excite.bias, 100.0)  # wide open
    assert torch.equal(gated(images), images)


def test_a_se_resnet_is_small_by_default() -> None:
    assert 200_000 < count_parameters(build_model("se_resnet", {}, Shapes(1, 128, 128, 2))) < 1_000_000


def test_whitened_patches_have_no_correlation_and_equal_variance() -> None:
    torch.manual_seed(0)
    images = torch.randn(200, 3, 12, 12).cumsum(3) * torch.tensor([1.0, 3.0, 0.5]).view(1, 3, 1, 1)  # smooth
    images = (images - images.mean((0, 2, 3), keepdim=True)) / images.std((0, 2, 3), keepdim=True)
    network = build_model("whitened_cnn", {"width": 8}, Shapes(3, 12, 12, 2))
    fit_to_images(network, lambda: images.split(30))
    whitening = next(layer for layer in network.modules() if isinstance(layer, Whitening))
    whitened = whitening(images).transpose(0, 1).flatten(1)  # (24, n)
    assert torch.equal(whitened[:12], -whitened[12:])
    moments = whitened[:12] @ whitened[:12].T / whitened.shape[1]
    assert torch.allclose(moments, torch.eye(12), atol=0.15)
    assert not whitening.weight.requires_grad


def test_the_published_width_has_the_published_parameters() -> None:
    """airbench94 of Jordan 2024, arXiv:2404.00498: 1.97 million."""
    network = build_model("whitened_cnn", {}, Shapes(3, 32, 32, 10))
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(1.97e6, rel=0.01)


@pytest.mark.parametrize("side", [30, 32, 33])
def test_rows_that_a_pooling_would_drop_change_nothing(side: int) -> None:
    network = build_model("whitened_cnn", {"width": 4}, Shapes(3, side, side + 1, 10)).eval()
    images = torch.randn(2, 3, side, side + 1, generator=torch.Generator().manual_seed(1))
    lean, borders = network(images), [layer for layer in network.modules() if isinstance(layer, nn.ZeroPad2d)]
    assert any(border.padding != (1, 1, 1, 1) for border in borders)
    for border in borders:
        border.padding = (1, 1, 1, 1)
    assert torch.allclose(network(images), lean, atol=1e-6)


def test_a_model_too_deep_for_the_image_says_so() -> None:
    with pytest.raises(InputError, match="cnn: block 4 of 5 leaves no pixel"):
        build_model("cnn", {"depth": 5}, Shapes(1, 8, 8, 2))
    with pytest.raises(InputError, match="lenet: the second pooling leaves no pixel"):
        build_model("lenet", {}, Shapes(1, 8, 8, 2))
    with pytest.raises(InputError, match="unet_encoder: pooling 4 leaves no pixel"):
        build_model("unet_encoder", {}, Shapes(1, 32, 15, 2))


def test_unknown_names_get_the_nearest() -> None:
    known = "cnn, lenet, mlp, se_resnet, timm, unet_encoder, whitened_cnn"
    with pytest.raises(InputError, match=rf"known are {known} .*; did you mean 'lenet'"):
        model_spec("lenett")
    with pytest.raises(InputError, match="did you mean 'timm:resnet18'"):
        build_model("timm:resnet_18", {}, SHAPES[0])


def test_a_family_cannot_be_registered_twice() -> None:
    with pytest.raises(ValueError, match="'mlp' is registered twice"):
        register("mlp", Strict)(lambda options, shapes, variant: nn.Identity())


@pytest.mark.parametrize("kind", ["none", "crops"])
def test_what_is_served_is_what_was_predicted(kind: str) -> None:
    torch.manual_seed(0)
    shapes = Shapes(3, 16, 16, 4)
    statistics = {"mean": [90.0, 100.0, 110.0], "std": [50.0, 60.0, 70.0]}
    described = {
        **describe("whitened_cnn", {"width": 4}, shapes),
        **statistics,
        "precision": "float32",
        "test_time_augmentation": kind,
    }
    network = build_model("whitened_cnn", {"width": 4}, shapes).eval()
    images = torch.randint(0, 256, (5, 16, 16, 3), dtype=torch.uint8)
    served = Served(network, described)(images.permute(0, 3, 1, 2).float())
    assert torch.allclose(served, torch.from_numpy(predict(network, described, images.numpy())), atol=1e-6)
