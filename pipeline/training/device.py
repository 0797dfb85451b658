"""Where networks are trained: the device, the visible GPUs, the memory layout."""

import os

import torch
from torch import nn


def device() -> str:
    """Return the accelerator if there is one, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, named as in CUDA_VISIBLE_DEVICES, without creating a CUDA context."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [str(i) for i in range(torch.cuda.device_count())]
    return [name.strip() for name in named.split(",") if name.strip()] if torch.cuda.device_count() else []


def channels_last(model: nn.Module) -> nn.Module:
    """Convert the weights to the memory layout in which convolutions are fastest."""
    return model.to(memory_format=torch.channels_last)
