"""CNNs trained on the CPU without autograd, on maps of every side from 1 up: against autograd, in every dtype."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dnc.config import CNN, Config, Training
from dnc.data.dataset import Dataset
from dnc.networks.build import build
from dnc.networks.cnn import ConvBlock, ConvNet
from dnc.training.cnn_cpu.conv import ConvPass
from dnc.training.engine import Engine
from dnc.training.loop import train

CLASSES, BATCH = 3, 9
# with the largest error of a gradient, as a share of its norm
DTYPES = {torch.float64: 1e-9, torch.float32: 1e-3, torch.bfloat16: 0.2}


def leave_nan_in_freed_memory() -> None:
    """What is read before it was written becomes NaN, instead of what a fresh process finds: zero."""
    for size in (2**10, 2**12, 2**14, 2**16, 2**18):
        kept = [torch.full((size,), torch.nan) for _ in range(6)]
        del kept


@st.composite
def archs(draw: st.DrawFn) -> CNN:
    """Layers with strides and pools anywhere; tanh, since ReLU's derivative jumps where rounding changes a sign."""
    channels = tuple(draw(st.lists(st.sampled_from([1, 3, 8, 13]), min_size=1, max_size=4)))
    places = st.lists(st.sampled_from(range(1, len(channels) + 1)), unique=True).map(sorted).map(tuple)
    return CNN(channels, strides=draw(places), pools=draw(places), activation="tanh")


def gradients(arch: CNN, x: Tensor, y: Tensor, dtype: torch.dtype) -> tuple[Tensor, list[Tensor]]:
    """The loss and its gradients without autograd, from maps in `dtype`."""
    net = network(arch, x).to(torch.float64 if dtype == torch.float64 else torch.float32)
    conv = ConvPass(arch, net.to(memory_format=torch.channels_last).train(), dtype, torch.Generator(), len(x))
    leave_nan_in_freed_memory()
    loss = conv.gradients(x.to(conv.values.dtype), y)
    return loss, [conv.grads.as_strided(p.shape, p.stride(), p.storage_offset()) for p in net.parameters()]


def autograds(arch: CNN, x: Tensor, y: Tensor, dtype: torch.dtype) -> tuple[Tensor, list[Tensor]]:
    """The same with autograd in float64; maps and weights are rounded to `dtype`, so that pools choose the same."""

    def rounded(_module: nn.Module | None, _inputs: object, value: Tensor) -> Tensor:
        return value + (value.to(dtype).double() - value).detach()

    net = network(arch, x).double().train()
    for block in net.blocks:
        assert isinstance(block, ConvBlock)
        for p in block.conv.parameters():
            p.data = p.data.to(dtype).double()
        block.conv.register_forward_hook(rounded)
        block.register_forward_hook(rounded)
    loss = F.cross_entropy(net(rounded(None, None, x)), y)
    return loss.detach(), list(torch.autograd.grad(loss, list(net.parameters())))


def network(arch: CNN, x: Tensor) -> ConvNet:
    net = build(arch, tuple(x.shape[1:]), CLASSES, seed=0)
    assert isinstance(net, ConvNet)
    return net


@settings(max_examples=60, deadline=None)
@given(archs(), *[st.integers(1, 6)] * 2, st.sampled_from([1, 3]), st.sampled_from(list(DTYPES)))
@example(CNN((16, 24, 24), strides=(2, 3), activation="tanh"), 64, 1, 1, torch.bfloat16)  # a signal as a column
@example(CNN((16, 24, 24), strides=(2, 3), activation="tanh"), 1, 64, 1, torch.bfloat16)  # … and as a row
@example(CNN((8, 16, 24, 24), strides=(1, 2, 3, 4), activation="tanh"), 6, 6, 3, torch.bfloat16)  # down to 1x1
@example(CNN((8, 16, 24), pools=(1, 2), strides=(3,), activation="tanh"), 9, 4, 3, torch.bfloat16)
def test_gradients_are_those_of_autograd_on_maps_of_every_side(
    arch: CNN, height: int, width: int, c_in: int, dtype: torch.dtype
) -> None:
    x = torch.randn(BATCH, c_in, height, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x, y = x.contiguous(memory_format=torch.channels_last), torch.arange(BATCH) % CLASSES
    (loss, grads), (again_loss, again) = (gradients(arch, x, y, dtype) for _ in range(2))
    expected_loss, expected = autograds(arch, x, y, dtype)
    rtol = DTYPES[dtype]
    torch.testing.assert_close(loss.double(), expected_loss, rtol=rtol, atol=rtol)
    assert torch.equal(loss, again_loss)
    for (name, _), grad, repeated, wanted in zip(
        network(arch, x).named_parameters(), grads, again, expected, strict=True
    ):
        error = float((grad.double() - wanted).norm()) / max(float(wanted.norm()), 1e-2)
        assert error < rtol, f"{name}: off by {error:.2g}"
        assert torch.equal(grad, repeated), name


@pytest.mark.parametrize("shape", [(32, 1), (1, 32), (2, 2)], ids=str)
def test_signals_train_alike_as_columns_and_as_rows_in_both_dtypes(shape: tuple[int, int]) -> None:
    n, rng = 240, np.random.default_rng(0)
    y = np.arange(n) % 3
    steps = np.arange(shape[0] * shape[1])
    x = np.sin((0.3 + 0.5 * y[:, None]) * steps + rng.uniform(0, 1, (n, 1))) + 0.1 * rng.normal(size=(n, len(steps)))
    data = Dataset.from_arrays(x.astype(np.float32).reshape(n, *shape), y)
    arch = CNN((8, 16, 16, 24), strides=(2, 3, 4), batchnorm=(1, 2, 3, 4))
    curves = []
    for dtype in ("bfloat16", "bfloat16", "float32"):
        leave_nan_in_freed_memory()
        outcome = train(Config(arch, Training(lr=3e-3, batch_size=60)), data, 3, 0, Engine(dtype=dtype))
        curves.append([e.train_loss for e in outcome.curve])
    first, again, exact = curves
    assert first == again
    assert first == pytest.approx(exact, rel=0.05)
