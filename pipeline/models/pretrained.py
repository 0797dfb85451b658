"""Published weights: a state dict is read from a file, never unpickled, and copied into a model."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.core.errors import InputError, first_line

State = dict[str, Tensor]


def read_state(path: Path) -> State:
    """Return the tensors of a .safetensors, .pt or .pth file by name.

    Raises InputError if the file is missing or damaged, or holds anything but tensors.
    """
    if path.suffix not in (".safetensors", ".pt", ".pth"):
        raise InputError(f"{path} must be a .safetensors, .pt or .pth file, got {path.suffix or 'no suffix'}")
    if not path.is_file():
        raise InputError(f"{path} does not exist; put the checkpoint there or correct the name")
    try:
        loaded = load_file(path) if path.suffix == ".safetensors" else _unzip(path)
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError, SafetensorError) as error:
        raise InputError(f"{path} is damaged or holds more than tensors: {first_line(error)}") from error
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise InputError(f"{path} must hold a state dict, which maps names to tensors; save model.state_dict()")
    return dict(loaded)


def _unzip(path: Path) -> object:
    return torch.load(path, map_location="cpu", weights_only=True)


def sum_input_channels(kernels: Tensor) -> Tensor:
    """Return (out, 1, H, W) from (out, in, H, W): kernels that treat a grey image as `in` equal channels."""
    return kernels.sum(1, keepdim=True)


def fit_state(model: nn.Module, state: Mapping[str, Tensor], source: str, *, fresh: tuple[str, ...]) -> None:
    """Copy `state` into the model, and ignore what the model does not have.

    fresh: prefixes of the names that keep their initial values. Batch counters may be missing.
    Raises InputError naming every tensor that is missing or has another shape, before anything is copied.
    """
    wanted = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(fresh)}
    problems = [
        f"{name} is missing"
        if name not in state
        else f"{name} has shape {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if (name in state or not name.endswith("num_batches_tracked"))
        and (name not in state or state[name].shape != tensor.shape)
    ]
    if problems:
        raise InputError(f"{source} does not fit the model: {', '.join(problems)}")
    model.load_state_dict({name: state[name] for name in wanted if name in state}, strict=False)
