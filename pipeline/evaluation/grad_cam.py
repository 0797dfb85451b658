"""Grad-CAM: the pixels that support a class, from the gradients at the last layer that still has an image."""

from typing import Any

import torch
from captum.attr import LayerAttribution, LayerGradCam
from numpy.typing import NDArray
from torch import Tensor, nn

POOLINGS = (nn.MaxPool2d, nn.AvgPool2d)
LayerOutputs = dict[str, tuple[nn.Module, Tensor]]  # name -> layer and its output, in the order of the forward pass


def record_outputs(model: nn.Module, inputs: Tensor) -> LayerOutputs:
    """Return the last output of every layer that the forward pass runs; layers without a tensor are left out."""
    outputs: LayerOutputs = {}

    def record(name: str) -> Any:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                outputs.pop(name, None)
                outputs[name] = module, output.clone()  # the next layer may work in place

        return hook

    hooks = [module.register_forward_hook(record(name)) for name, module in model.named_modules() if name]
    try:
        with torch.no_grad():
            model(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return outputs


def cam_layer(outputs: LayerOutputs) -> str | None:
    """Return the last layer with an output (B, C, h, w) of more than one pixel, before any pooling that coarsens it."""
    spatial = [
        name
        for name, (module, output) in outputs.items()
        if output.ndim == 4 and output.shape[-2:].numel() > 1 and not isinstance(module, POOLINGS)
    ]
    return spatial[-1] if spatial else None


def grad_cam(model: nn.Module, layer: nn.Module, inputs: Tensor, classes: NDArray[Any]) -> NDArray[Any]:
    """Return (N, H, W) float32: how much each pixel supports the class, 1 at most; 0 everywhere if nothing does.

    inputs: (N, C, H, W); classes: (N,). Source: Selvaraju et al. 2017, arXiv:1610.02391.
    """
    inputs = inputs.clone().requires_grad_()  # so that frozen layers pass gradients on
    target = torch.tensor(classes)
    coarse = LayerGradCam(model, layer).attribute(inputs, target, relu_attributions=True)  # (N, 1, h, w)
    fine = LayerAttribution.interpolate(coarse, tuple(inputs.shape[-2:]), "bilinear")[:, 0].detach()
    peak = fine.amax((1, 2), keepdim=True)
    cams: NDArray[Any] = (fine / peak.where(peak > 0, 1)).numpy().round(4)
    return cams
