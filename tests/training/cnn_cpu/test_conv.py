"""CNNs trained on the CPU without autograd: against autograd, and the parts it is made of."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from small_training import CNN_CONFIG, CPU, stripes
from torch import Tensor, nn

from dnc.config import ACTIVATIONS, CNN, Config, Training
from dnc.networks.build import build
from dnc.networks.cnn import ConvBlock, ConvNet
from dnc.networks.layers import Dropout
from dnc.training.cnn_cpu.conv import ConvPass
from dnc.training.cnn_cpu.convblock import BlockPass
from dnc.training.cnn_cpu.dropout import LAG, TAP, DropoutMask, RandomBits
from dnc.training.cnn_cpu.norm import Norm, Weight, fold
from dnc.training.cnn_cpu.pooling import AnyPool, EvenPool
from dnc.training.eager import EagerStepper
from dnc.training.engine import Engine
from dnc.training.loop import train

CLASSES = 5
ARCHS = {
    "linear": CNN((4,)),
    "bare": CNN((5, 7, 9)),
    "norms": CNN((16, 32), batchnorm=(1, 2)),
    "some norms": CNN((5, 17, 9, 3), pools=(2,), strides=(3,), batchnorm=(2, 4)),
    "pools": CNN((5, 33, 9, 3), pools=(1, 2, 3, 4), batchnorm=(1, 3)),
    "stride and pool": CNN((4, 6), pools=(1,), strides=(1, 2), batchnorm=(1,)),
    "shortcut": CNN((6, 8, 6), batchnorm=(1, 2, 3), shortcuts=(1,)),
    "shortcuts that are padded, cut and pooled": CNN(
        (13, 7, 21, 5, 6), pools=(2,), strides=(4,), batchnorm=(3, 5), shortcuts=(1, 2, 3)
    ),
    **{name: CNN((5, 7, 9), pools=(2,), batchnorm=(2,), shortcuts=(1,), activation=name) for name in ACTIVATIONS},
}


def network(arch: CNN, shape: tuple[int, ...], dtype: torch.dtype) -> ConvNet:
    net = build(arch, shape, CLASSES, seed=0)
    assert isinstance(net, ConvNet)
    for module in net.modules():  # nothing is at its neutral value
        if isinstance(module, nn.BatchNorm2d):
            torch.manual_seed(module.num_features)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return net.to(dtype).to(memory_format=torch.channels_last).train()


def batch(shape: tuple[int, ...], dtype: torch.dtype, n: int = 12) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return x.to(dtype).contiguous(memory_format=torch.channels_last), torch.arange(n) % CLASSES


def gradient(conv: ConvPass, parameter: Tensor) -> Tensor:
    return conv.grads.as_strided(parameter.shape, parameter.stride(), parameter.storage_offset())


def assert_as_autograd(
    conv: ConvPass, mine: ConvNet, other: ConvNet, x: Tensor, y: Tensor, rtol: float, loss_before: Tensor | None = None
) -> None:
    """One pass of both networks gives the same loss, gradients and running statistics."""
    loss = conv.gradients(x, y) if loss_before is None else loss_before
    expected = F.cross_entropy(other(x), y)
    grads = torch.autograd.grad(expected, list(other.parameters()))
    torch.testing.assert_close(loss, expected.detach(), rtol=rtol, atol=rtol)
    for (name, p), grad in zip(mine.named_parameters(), grads, strict=True):
        before_norm = name.endswith("conv.bias") and name.replace("conv.bias", "norm.weight") in other.state_dict()
        if before_norm:  # zero up to rounding with autograd, and exactly zero here
            assert not gradient(conv, p).any()
            grad = torch.zeros_like(grad)
        scale = max(float(grad.abs().max()), 1e-2)
        torch.testing.assert_close(
            gradient(conv, p), grad, rtol=rtol, atol=rtol * scale, msg=lambda m, n=name: f"{n}: {m}"
        )
    for (name, value), expected_value in zip(mine.named_buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(value, expected_value, rtol=rtol, atol=rtol, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 7, 9), (1, 16, 16)], ids=str)
@pytest.mark.parametrize("arch", ARCHS.values(), ids=ARCHS)
def test_gradients_are_those_of_autograd(arch: CNN, shape: tuple[int, ...]) -> None:
    for dtype, rtol in ((torch.float64, 1e-9), (torch.float32, 2e-3)):
        mine, other = network(arch, shape, dtype), network(arch, shape, dtype)
        conv = ConvPass(arch, mine, dtype, torch.Generator(), 12)
        for n in (12, 7, 12):  # the buffers of a size are used again
            assert_as_autograd(conv, mine, other, *batch(shape, dtype, n), rtol)


class Masked(Dropout):
    """Dropout of the elements that another network's last pass dropped; what ReLU made zero may count as dropped."""

    def __init__(self, block: BlockPass, scale: float) -> None:
        super().__init__(0.0)
        self.block, self.scale = block, scale

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.block._h != 0) * self.scale


@pytest.mark.parametrize("norms", [(), (1, 2, 3)], ids=["bare", "norms"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gradients_with_dropout(activation: str, norms: tuple[int, ...], dtype: torch.dtype) -> None:
    arch = CNN((6, 9, 6), pools=(2,), batchnorm=norms, dropout=(0.5, 0.25, 0.1), shortcuts=(1,), activation=activation)
    shape = (3, 8, 8)
    mine, other = network(arch, shape, dtype), network(arch, shape, dtype)
    conv = ConvPass(arch, mine, dtype, torch.Generator().manual_seed(3), 12)
    x, y = batch(shape, dtype)
    loss = conv.gradients(x, y)
    for block, own in zip(other.blocks, conv._blocks(x.shape), strict=True):
        assert isinstance(block, ConvBlock)
        threshold = block.drop.threshold
        # padded channels are not part of the other network
        own._h = own._h[:, : block.conv.out_channels]
        block.drop = Masked(own, 256 / (256 - threshold))
    assert_as_autograd(conv, mine, other, x, y, 1e-9 if dtype == torch.float64 else 2e-3, loss)


@pytest.mark.parametrize("arch", [ARCHS["norms"], ARCHS["pools"], ARCHS["shortcut"], ARCHS["bare"]], ids=str)
def test_bfloat16_is_near_float32(arch: CNN) -> None:
    shape = (3, 16, 16)
    x, y = batch(shape, torch.float32, 64)
    results = []
    for dtype in (torch.float32, torch.bfloat16):
        net = network(arch, shape, torch.float32)
        conv = ConvPass(arch, net, dtype, torch.Generator(), 64)
        results.append((conv.gradients(x, y), conv.grads))
    (loss, grads), (reduced_loss, reduced_grads) = results
    assert reduced_grads.dtype == torch.float32
    torch.testing.assert_close(reduced_loss, loss, rtol=0.03, atol=0.03)
    assert F.cosine_similarity(grads, reduced_grads, dim=0) > 0.98


def test_padded_channels_stay_zero() -> None:
    config = Config(replace(CNN_CONFIG.arch, channels=(3, 11, 5)), Training(lr=1e-2, weight_decay=1e-2, batch_size=32))
    stepper = EagerStepper(config, stripes(), CPU, seed=0)
    stepper.start_epoch(0, 1e-2)
    for start in range(0, 128, 32):
        stepper.step(start, start + 32)
    assert stepper._pass is not None
    values, network = stepper._pass.values, stepper._network
    assert int(torch.count_nonzero(values)) <= sum(p.numel() for p in network.parameters()) < len(values)
    assert set(network.state_dict()) == set(build(config.arch, (1, 8, 8), 4).state_dict())
    finished = stepper.finish()
    for p in finished.parameters():
        assert p.untyped_storage().nbytes() == p.nbytes


def test_a_nan_that_relu_hides_is_reported() -> None:
    stepper = EagerStepper(CNN_CONFIG, stripes(), Engine(dtype="bfloat16"), seed=0)
    stepper.start_epoch(0, 1e-2)
    stepper.step(0, 32)
    assert stepper.train_loss() > 0
    norm = stepper._network.get_submodule("blocks.1.norm")
    assert isinstance(norm, nn.BatchNorm2d)
    with torch.no_grad():
        norm.weight[0] = torch.nan
    assert not stepper.train_loss() > 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_it_learns_bit_for_bit_again(dtype: str) -> None:
    first, again = (train(CNN_CONFIG, stripes(), 6, 0, Engine(dtype=dtype)) for _ in range(2))
    assert [e.train_loss for e in first.curve] == [e.train_loss for e in again.curve]
    assert first.val_acc > 0.9


# --- its parts


def test_random_bits_are_the_recurrence_whatever_the_draws() -> None:
    lengths = [5, LAG + 3, 1, TAP, 2 * LAG]
    bits, words = RandomBits(torch.Generator().manual_seed(0), max(lengths)), []
    first = bits._words[:LAG].tolist()
    for n in lengths:
        bits.draw(n)
        words += bits.memory(n).tolist()
    x = first + words
    wrapped = [(x[i - LAG] + x[i - TAP] + 2**63) % 2**64 - 2**63 for i in range(LAG, len(x))]
    assert words == wrapped


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("threshold", [1, 77, 255])
def test_the_share_that_is_dropped(dtype: torch.dtype, threshold: int) -> None:
    values = torch.ones(100_001, dtype=dtype)
    mask = DropoutMask(RandomBits(torch.Generator().manual_seed(0), 100_001), values, threshold)
    integers = values.view({2: torch.int16, 4: torch.int32, 8: torch.int64}[dtype.itemsize])
    draws = []
    for _ in range(4):
        values.fill_(1)
        mask.draw()
        mask.drop(integers)
        assert set(values.unique().tolist()) <= {0.0, 1.0}
        draws.append(values.clone().double())
    p = 1 - threshold / 256
    for share in (k.mean().item() for k in draws):
        assert abs(share - p) < 5 * (p * (1 - p) / 100_001) ** 0.5
    both = (draws[0] * draws[1]).mean().item()  # independent from draw to draw
    assert abs(both - p * p) < 5 * (p * p * (1 - p * p) / 100_001) ** 0.5 + 1e-9


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("shape", [(3, 5, 4, 6), (2, 40, 8, 8)], ids=str)
def test_pooling_is_torchs(shape: tuple[int, int, int, int], dtype: torch.dtype) -> None:
    even, other = EvenPool(shape, dtype), AnyPool()
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        y = torch.randn(shape, generator=generator).to(dtype).contiguous(memory_format=torch.channels_last)
        out = other.forward(y)
        assert torch.equal(even.forward(y), out)
        grad = torch.rand(out.shape, generator=generator).to(dtype).contiguous(memory_format=torch.channels_last) + 1
        expected, actual = other.backward(grad), even.backward(grad)
        blocks = actual.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
        assert torch.equal(blocks.sum(4), grad)  # each gradient arrives once …
        assert torch.equal((blocks != 0).sum(4), torch.ones_like(out, dtype=torch.int64))
        assert torch.equal(y[actual != 0].sort().values, y[expected != 0].sort().values)  # … at a largest element


@pytest.mark.parametrize("shape", [(8, 5, 16, 16), (8, 40, 9, 11), (64, 64, 4, 4), (4, 16, 32, 32)], ids=str)
def test_norm_is_torchs(shape: tuple[int, int, int, int]) -> None:
    channels = shape[1]
    assert (shape[0] * shape[2] * shape[3]) % fold(shape) == 0
    module, other = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
    generator = torch.Generator().manual_seed(0)
    w, b = (torch.randn(channels, generator=generator) for _ in range(2))
    weight, bias = (Weight(v, v, torch.zeros(channels), torch.ones(channels)) for v in (w, b))
    norm = Norm(module, weight, bias, shape)
    y, g = (
        torch.randn(shape, generator=generator).contiguous(memory_format=torch.channels_last).mul_(3).add_(i)
        for i in (5, 0)
    )
    with torch.no_grad():
        other.weight.copy_(w)
        other.bias.copy_(b)
    leaf = y.clone().requires_grad_()
    expected = other(leaf)
    dy, dw, db = torch.autograd.grad(expected, [leaf, other.weight, other.bias], g)
    out = torch.empty_like(y)
    norm.forward(y, out)
    torch.testing.assert_close(out, expected.detach(), rtol=1e-4, atol=1e-4)
    factor = norm.backward(g, y)
    torch.testing.assert_close(y * factor.view(1, -1, 1, 1), dy, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(weight.grad, dw, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(bias.grad, db, rtol=1e-3, atol=1e-2)
    for value, expected_value in zip(module.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(value, expected_value)
