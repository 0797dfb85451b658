"""The U-Net encoder: published weights, and what a trained one still needs."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline.core.errors import InputError
from pipeline.models.layers import count_parameters
from pipeline.models.registry import Shapes, build_model, describe, rebuild, start_model

COLOUR, GREY = Shapes(3, 16, 16, 2), Shapes(1, 16, 16, 2)


def published_unet(width: int = 2) -> dict[str, torch.Tensor]:
    """Return a state dict in the layout of the public U-Net: encoders, bottleneck, and a decoder, unused here."""
    generator = torch.Generator().manual_seed(7)
    state = {}
    channels = 3
    for i, (part, short) in enumerate([*((f"encoder{i}", f"enc{i}") for i in (1, 2, 3, 4)), ("bottleneck",) * 2]):
        out = width * 2**i
        for k in (1, 2):
            eighths = torch.randint(-8, 9, (out, channels, 3, 3), generator=generator)
            state[f"{part}.{short}conv{k}.weight"] = eighths / 8  # so that sums of kernels are exact
            for name in ("weight", "bias", "running_mean", "running_var"):
                state[f"{part}.{short}norm{k}.{name}"] = torch.rand(out, generator=generator) + 0.5
            state[f"{part}.{short}norm{k}.num_batches_tracked"] = torch.tensor(100 + k)
            channels = out
    return {**state, "upconv4.weight": torch.randn(4, 2, 2, 2, generator=generator), "conv.bias": torch.zeros(1)}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.save(published_unet(), tmp_path / "unet.pt")
    return tmp_path / "unet.pt"


def options(checkpoint: Path | str, **more: object) -> dict[str, object]:
    return {"width": 2, "checkpoint": str(checkpoint), **more}


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_a_training_starts_from_the_published_weights(tmp_path: Path, suffix: str) -> None:
    state, path = published_unet(), tmp_path / f"unet{suffix}"
    if suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    started = start_model("unet_encoder", options(path), COLOUR).state_dict()
    taken = [name for name in started if not name.startswith("classifier.")]
    assert len(taken) == 5 * 2 * 6
    assert all(torch.equal(started[name], state[name]) for name in taken)


def test_a_grey_image_gives_what_it_gives_repeated_over_the_channels(checkpoint: Path) -> None:
    torch.manual_seed(0)
    grey, colour = (start_model("unet_encoder", options(checkpoint), s).double().eval() for s in (GREY, COLOUR))
    grey.get_submodule("classifier").load_state_dict(colour.get_submodule("classifier").state_dict())
    images = torch.randn(3, 1, 16, 16, dtype=torch.float64)
    expected = colour(images.expand(3, 3, 16, 16))
    assert expected.std() > 1e-3
    assert (grey(images) - expected).abs().max() < 1e-12 * expected.abs().max()


def test_a_trained_model_is_rebuilt_when_the_checkpoint_is_gone(checkpoint: Path, tmp_path: Path) -> None:
    trained = start_model("unet_encoder", options(checkpoint), GREY).eval()
    save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    checkpoint.unlink()
    again = rebuild(describe("unet_encoder", options(checkpoint), GREY), tmp_path / "weights.safetensors")
    images = torch.randn(2, 1, 16, 16)
    assert torch.equal(again(images), trained(images))
    with pytest.raises(InputError, match=r"unet\.pt does not exist; put the checkpoint there"):
        start_model("unet_encoder", options(checkpoint), GREY)


def test_every_tensor_that_does_not_fit_is_named(checkpoint: Path, tmp_path: Path) -> None:
    state = published_unet()
    del state["encoder2.enc2conv1.weight"]
    del state["encoder3.enc3norm2.num_batches_tracked"]  # a counter may be missing
    state["bottleneck.bottlenecknorm2.bias"] = torch.zeros(7)
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(InputError) as error:
        start_model("unet_encoder", options(tmp_path / "other.pt"), COLOUR)
    assert str(error.value) == (
        f"unet_encoder: {tmp_path / 'other.pt'} does not fit the model: encoder2.enc2conv1.weight is missing, "
        "bottleneck.bottlenecknorm2.bias has shape (7,) instead of (32,)"
    )
    with pytest.raises(InputError, match=r"enc1conv1\.weight has shape \(2, 3, 3, 3\) instead of \(2, 2, 3, 3\)"):
        start_model("unet_encoder", options(checkpoint), Shapes(2, 16, 16, 2))


def test_pairs_of_convolutions_have_their_parameters() -> None:
    """Channels 1-2-4-8-16-32: 9*1*2+9*2*2+8, 9*2*4+9*4*4+16, ...; 32*2+2."""
    network = build_model("unet_encoder", {"width": 2}, Shapes(1, 16, 16, 2))
    assert count_parameters(network) == 62 + (216 + 16) + (864 + 32) + (3_456 + 64) + (13_824 + 128) + 66


def test_an_image_too_small_is_refused() -> None:
    with pytest.raises(InputError, match="unet_encoder: pooling 4 leaves no pixel"):
        build_model("unet_encoder", {}, Shapes(1, 32, 15, 2))
