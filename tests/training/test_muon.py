"""Muon: orthogonal steps for kernels, everything else as SGD."""

import pytest
import torch

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import Samples
from pipeline.training.optimizers.muon import Muon, orthogonal
from pipeline.training.trainer import Trainer
from training_examples import CNN, RESUMABLE


def test_orthogonal_steps_have_nearly_equal_singular_values() -> None:
    matrix = torch.randn(16, 72, generator=torch.Generator().manual_seed(1))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    for given, nearest in ((matrix, u @ v), (matrix.T, (u @ v).T)):
        values = torch.linalg.svdvals(orthogonal(given))
        assert 0.6 < float(values.min()) < float(values.max()) < 1.3
        assert float(torch.nn.functional.cosine_similarity(orthogonal(given).flatten(), nearest.flatten(), 0)) > 0.97
    steep = torch.diag(torch.tensor([1.0, 0.1, 0.01]))
    assert float(torch.linalg.svdvals(orthogonal(steep))[1]) > 0.6  # of 0.1 before


def test_muon_takes_orthogonal_steps_of_kernels_and_moves_all_else_as_sgd() -> None:
    drawn = torch.Generator().manual_seed(1)
    shapes = (8, 3, 3, 3), (40, 1, 3, 3), (5, 8), (5,)
    first = [torch.randn(*shape, generator=drawn) for shape in shapes]
    ours, reference = ([torch.nn.Parameter(p.clone()) for p in first] for _ in range(2))
    muon = Muon([{"params": ours}], lr=0.1, momentum=0.6)
    sgd = torch.optim.SGD(reference, lr=0.1, momentum=0.6, nesterov=True)
    momentum = [torch.zeros(*shape) for shape in shapes]
    for _ in range(3):
        before = [p.detach().clone() for p in ours]
        for k, (p, q) in enumerate(zip(ours, reference, strict=True)):
            p.grad = q.grad = torch.randn(p.shape, generator=drawn)
            momentum[k] = 0.6 * momentum[k] + p.grad
        muon.step()
        sgd.step()
        for k in (0, 1):
            step = orthogonal((ours[k].grad + 0.6 * momentum[k]).flatten(1)).view(shapes[k])
            expected = before[k] / before[k].norm() - 0.1 * step / step.norm()  # from the first norm, by a tenth of it
            assert torch.allclose(ours[k].detach(), first[k].norm() * expected, atol=1e-5)
        assert all(torch.allclose(p, q, atol=1e-6) for p, q in zip(ours[2:], reference[2:], strict=True))


def test_muon_gives_kernels_lr_and_all_else_that_of_the_biases(scans: Samples) -> None:
    config: Configuration = {**RESUMABLE["orthogonal"], "n_epochs": 1, "bias_lr_scale": 30.0}
    trainer = Trainer(config, scans, seed=1)
    rates = {p: group["lr"] for group in trainer.learner.optimizer.param_groups for p in group["params"]}
    moved = [p for p in trainer.model.parameters() if p.requires_grad]
    assert {p.ndim for p in moved} == {1, 2, 4}
    assert all(rates[p] == pytest.approx(0.1 if p.ndim == 4 else 3.0) for p in moved)


def test_a_network_of_convolutions_learns_by_muon(development: Samples) -> None:
    config: Configuration = {
        **CNN,
        "cnn.batch_norm": True,
        "optimizer": "muon",
        "schedule": "linear",
        "lr": 0.1,
        "momentum": 0.6,
    }
    assert list(Trainer(config, development, seed=1).epochs())[-1].val_accuracy > 0.9


def test_muon_goes_on_from_zeros() -> None:
    kernel, idle = torch.nn.Parameter(torch.zeros(4, 2, 3, 3)), torch.nn.Parameter(torch.ones(4, 2, 3, 3))
    muon = Muon([{"params": [kernel, idle]}], lr=0.1, momentum=0.6)
    kernel.grad, idle.grad = torch.ones_like(kernel), torch.zeros_like(idle)
    muon.step()
    assert float(kernel.detach().norm()) == pytest.approx(0.1 * 2)  # of 4 channels out
    assert torch.equal(idle, torch.ones_like(idle))
