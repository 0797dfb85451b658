"""TODO training.device."""

import os

import torch
from torch import nn


def device() -> str:
    """The accelerator where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; no CUDA context is made."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [str(i) for i in range(torch.cuda.device_count())]
    return [name.strip() for name in named.split(",") if name.strip()] if torch.cuda.device_count() else []


def channels_last(model: nn.Module) -> nn.Module:
    return model.to(memory_format=torch.channels_last)
