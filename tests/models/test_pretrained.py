"""Published weights: which files are read, and which refused."""

from pathlib import Path

import pytest
import torch
from torch import nn

from pipeline.core.errors import InputError
from pipeline.models.pretrained import read_state


def test_files_that_hold_no_state_dict_are_refused(tmp_path: Path) -> None:
    state = nn.Linear(20, 20).state_dict()
    torch.save(state, tmp_path / "whole.pt")
    assert read_state(tmp_path / "whole.pt").keys() == state.keys()
    torch.save({"epoch": 3, "model": state}, tmp_path / "nested.pt")
    torch.save(nn.Linear(2, 2), tmp_path / "module.pt")  # would run code when unpickled
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "half.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:-200])
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
