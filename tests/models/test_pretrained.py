"""Starting from published weights: what is read, what is refused, what a trained model still needs."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pipeline.core.errors import InputError
from pipeline.models.pretrained import read_state
from pipeline.models.registry import Shapes, describe, rebuild, start_model

COLOUR, GREY = Shapes(3, 16, 16, 2), Shapes(1, 16, 16, 2)


def published_unet(width: int = 2) -> dict[str, torch.Tensor]:
    """A state dict in the layout of the public U-Net: encoders, bottleneck, and a decoder that is of no use here."""
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
        f"unet_encoder: {tmp_path / 'other.pt'} does not fit: encoder2.enc2conv1.weight is missing, "
        "bottleneck.bottlenecknorm2.bias has shape (7,) for (32,)"
    )
    with pytest.raises(InputError, match=r"encoder1\.enc1conv1\.weight has shape \(2, 3, 3, 3\) for \(2, 2, 3, 3\)"):
        start_model("unet_encoder", options(checkpoint), Shapes(2, 16, 16, 2))


def test_files_that_hold_no_state_dict_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    torch.save({"epoch": 3, "model": published_unet()}, tmp_path / "nested.pt")
    torch.save(nn.Linear(2, 2), tmp_path / "module.pt")  # would run code when unpickled
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "half.pt").write_bytes(checkpoint.read_bytes()[:-200])
    (tmp_path / "half.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{")
    for name, rule in {
        "nested.pt": "must hold a state dict",
        "module.pt": "is damaged or holds more than tensors",
        "empty.pth": "is damaged",
        "half.pt": "is damaged",
        "half.safetensors": "is damaged",
        "absent.pt": "does not exist",
        "weights.h5": "must be a .safetensors, .pt or .pth file",
    }.items():
        with pytest.raises(InputError, match=rule):
            read_state(tmp_path / name)
