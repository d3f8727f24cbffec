"""Networks against torch, closed forms and a second way to compute the forward pass."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dnc.config import ACTIVATIONS, CNN, MLP
from dnc.errors import ArgumentError
from dnc.networks.build import build
from dnc.networks.cnn import ConvNet, match_shape
from dnc.networks.layers import ACTIVATIONS as FUNCTIONS
from dnc.networks.layers import Dropout, set_dropout_generator
from dnc.networks.params import count_params, map_sizes

PAPER_NET = (50, 52, 53, 59, 95, 96, 97, 120, 193, 239, 351, 385, 488, 496)  # Sec. 3.1


@st.composite
def cnns(draw: st.DrawFn) -> CNN:
    channels = draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
    layers = st.sets(st.integers(1, len(channels)))
    return CNN(
        channels=tuple(channels),
        strides=tuple(draw(layers)),
        pools=tuple(draw(layers)),
        batchnorm=tuple(draw(layers)),
        dropout=(draw(st.sampled_from([0.0, 0.3])),) * len(channels),
        shortcuts=tuple(draw(layers)),
        activation=draw(st.sampled_from(ACTIVATIONS)),
    )


mlps = st.builds(
    MLP,
    hidden=st.lists(st.integers(1, 30), max_size=4).map(tuple),
    drop=st.sampled_from([0.0, 0.2]),
    activation=st.sampled_from(ACTIVATIONS),
)
images = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))


@settings(max_examples=60)
@given(cnns() | mlps, images, st.integers(1, 12))
def test_parameter_count_is_torchs(arch: CNN | MLP, shape: tuple[int, int, int], n_classes: int) -> None:
    network = build(arch, shape, n_classes, seed=0)
    assert count_params(arch, shape, n_classes) == sum(p.numel() for p in network.parameters())
    assert network(torch.rand(2, *shape)).shape == (2, n_classes)


def test_parameter_count_of_the_papers_net() -> None:
    layers = tuple(range(1, 15))
    for arch in (
        CNN(channels=PAPER_NET, batchnorm=layers, pools=(4, 8, 10), shortcuts=(1, 5, 9)),
        CNN(channels=PAPER_NET, batchnorm=layers, strides=(4,), pools=(8, 10)),
    ):
        assert count_params(arch, (3, 32, 32), 10) == 6_876_233


def test_parameter_count_by_hand() -> None:
    assert count_params(MLP(), (1, 28, 28), 10) == 7850
    assert count_params(MLP(hidden=(20, 30)), (784,), 10) == 784 * 20 + 20 + 20 * 30 + 30 + 30 * 10 + 10
    assert count_params(CNN(channels=(4,), batchnorm=(1,)), (3, 8, 8), 5) == 3 * 9 * 4 + 4 + 8 + 4 * 5 + 5


@settings(max_examples=40)
@given(cnns(), images)
def test_every_down_sampling_gives_half_rounded_up(arch: CNN, shape: tuple[int, int, int]) -> None:
    network = build(arch, shape, 2, seed=0)
    assert isinstance(network, ConvNet)
    seen: list[torch.Size] = []
    for block in network.blocks:
        block.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[2:]))
    network(torch.rand(2, *shape))
    assert [tuple(size) for size in seen] == list(map_sizes(arch, shape))


def test_map_sizes_by_hand() -> None:
    arch = CNN(channels=(4, 4, 4, 4), strides=(2,), pools=(1, 2, 4))
    assert map_sizes(arch, (3, 7, 5)) == ((4, 3), (1, 1), (1, 1), (1, 1))


def slow_forward(network: ConvNet, arch: CNN, x: Tensor) -> Tensor:
    """The network of Sec. 3.1 once more, on the weights of `network`, layer by layer from the text."""
    weights = network.state_dict()
    outputs = [x]
    for layer, c_out in enumerate(arch.channels, start=1):
        name = f"blocks.{layer - 1}"
        stride = 2 if layer in arch.strides else 1
        y = F.conv2d(outputs[-1], weights[f"{name}.conv.weight"], weights[f"{name}.conv.bias"], stride, 1)
        if layer in arch.pools:  # pad with -inf to an even size instead of ceil_mode
            y = F.pad(y, (0, y.shape[3] % 2, 0, y.shape[2] % 2), value=-math.inf)
            y = y.unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5))
        if layer in arch.batchnorm:
            mean, var = weights[f"{name}.norm.running_mean"], weights[f"{name}.norm.running_var"]
            y = (y - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
            y = y * weights[f"{name}.norm.weight"][:, None, None] + weights[f"{name}.norm.bias"][:, None, None]
        if layer - 2 in arch.shortcuts:
            s = outputs[layer - 2]
            while s.shape[2:] != y.shape[2:]:  # mean of the one to four values that exist
                even = (0, s.shape[3] % 2, 0, s.shape[2] % 2)
                total = F.pad(s, even).unfold(2, 2, 2).unfold(3, 2, 2).sum((4, 5))
                s = total / F.pad(torch.ones_like(s), even).unfold(2, 2, 2).unfold(3, 2, 2).sum((4, 5))
            y = y.clone()
            k = min(s.shape[1], c_out)
            y[:, :k] += s[:, :k]
        outputs.append(getattr(F, arch.activation)(y) if arch.activation != "tanh" else torch.tanh(y))
    pooled = outputs[-1].flatten(2).mean(2)
    return pooled @ weights["classifier.weight"].T + weights["classifier.bias"]


@settings(max_examples=60)
@given(cnns(), images)
def test_forward_is_the_text(arch: CNN, shape: tuple[int, int, int]) -> None:
    network = build(arch, shape, 3, seed=1)
    assert isinstance(network, ConvNet)
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # so that the normalization does something
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.uniform_(-1, 1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    x = torch.rand(2, *shape, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(x), slow_forward(network, arch, x), rtol=1e-4, atol=1e-5)


def test_shortcut_pools_what_exists_and_fits_channels() -> None:
    x = torch.tensor([[[[1.0, 2.0, 3.0], [5.0, 6.0, 10.0], [7.0, 8.0, 9.0]]]])
    assert match_shape(x, 2, 1).tolist() == [[[[3.5, 6.5], [7.5, 9.0]], [[0.0, 0.0], [0.0, 0.0]]]]
    assert match_shape(torch.ones(1, 3, 1, 1), 2, 3).tolist() == [[[[1.0]], [[1.0]]]]


def test_shortcut_starts_after_dropout_and_joins_before_the_activation() -> None:
    network = build(CNN(channels=(2, 2, 2), shortcuts=(1,)), (1, 1, 1), 2, seed=0)
    assert isinstance(network, ConvNet)
    state = {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
    state["blocks.0.conv.bias"] = torch.tensor([3.0, 2.0])
    state["blocks.2.conv.bias"] = torch.tensor([-1.0, -5.0])
    state["classifier.weight"] = torch.eye(2)
    network.load_state_dict(state)
    assert network.eval()(torch.zeros(1, 1, 1, 1)).tolist() == [[2.0, 0.0]]  # relu(3 - 1), relu(2 - 5)


def test_activations_are_those_of_the_configs() -> None:
    assert set(FUNCTIONS) == set(ACTIVATIONS)
    x = torch.tensor([-1.0, 2.0])
    assert FUNCTIONS["relu"](x.clone()).tolist() == [0.0, 2.0]
    assert FUNCTIONS["leaky_relu"](x).tolist() == pytest.approx([-0.01, 2.0])
    assert FUNCTIONS["elu"](x).tolist() == pytest.approx([math.expm1(-1), 2.0])


def test_initial_weights() -> None:
    mlp = build(MLP(hidden=(400,)), (300,), 10, seed=3)
    hidden = mlp.get_parameter("hidden.0.weight")
    assert hidden.std().item() == pytest.approx(math.sqrt(2 / 300), rel=0.02)
    assert abs(hidden.mean().item()) < 1e-3
    assert hidden.abs().max().item() > 3 * math.sqrt(2 / 300)  # normal, not uniform
    assert mlp.get_parameter("hidden.0.bias").tolist() == pytest.approx([0.1] * 400)
    cnn = build(CNN(channels=(32, 64), batchnorm=(1,)), (3, 8, 8), 10, seed=3)
    weight, bias = cnn.get_parameter("blocks.1.conv.weight"), cnn.get_parameter("blocks.1.conv.bias")
    bound = 1 / math.sqrt(32 * 9)  # torch's default of conv layers is uniform
    for values in (weight, bias):
        assert 0.9 * bound < values.abs().max().item() <= bound
    assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert cnn.get_parameter("classifier.weight").std().item() == pytest.approx(math.sqrt(2 / 64), rel=0.1)
    assert cnn.get_parameter("blocks.0.norm.weight").tolist() == [1.0] * 32
    assert cnn.get_buffer("blocks.0.norm.running_var").tolist() == [1.0] * 32
    assert cnn.get_buffer("blocks.0.norm.running_mean").tolist() == [0.0] * 32
    assert all(p.requires_grad for p in cnn.parameters())


def test_initial_weights_belong_to_the_seed_alone() -> None:
    arch = CNN(channels=(4, 5), batchnorm=(1,), dropout=(0.1, 0.1))

    def weights(seed: int | None) -> Tensor:
        return torch.cat([p.flatten() for p in build(arch, (1, 4, 4), 3, seed).parameters()])

    before = torch.get_rng_state()
    first = weights(7)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(12345)
    assert torch.equal(weights(7), first)
    assert not torch.equal(weights(8), first)
    assert not torch.equal(weights(None), weights(None))


@pytest.mark.parametrize(("p", "level"), [(0.2, 51), (0.3, 77), (0.5, 128), (0.999, 255), (0.001, 0)])
def test_dropout_keeps_the_mean(p: float, level: int) -> None:
    layer = Dropout(p)
    assert layer.threshold == level
    layer.generator = torch.Generator().manual_seed(0)
    y = layer(torch.ones(1000, 1003))
    keep = 1 - level / 256  # the share that is really kept, and that the scale undoes
    assert y.unique().tolist() == pytest.approx([0.0, 1 / keep] if level else [1.0])
    share = (y > 0).double().mean().item()
    assert share == pytest.approx(keep, abs=5 * math.sqrt(keep * (1 - keep) / y.numel()))


def test_dropout_bits_are_uniform_and_independent() -> None:
    layer = Dropout(0.5)
    layer.generator = torch.Generator().manual_seed(1)
    kept = (layer(torch.ones(40_000, 8)) > 0).double()
    tolerance = 5 * 0.5 / math.sqrt(len(kept))  # every one of the eight bytes of a draw is as good as the others
    assert kept.mean(0).sub(0.5).abs().max().item() < tolerance
    correlation = torch.corrcoef(kept.T) - torch.eye(8)
    assert correlation.abs().max().item() < 2 * tolerance


def test_dropout_gradient_off_switch_and_layout() -> None:
    layer = Dropout(0.4)
    layer.generator = torch.Generator().manual_seed(2)
    x = torch.rand(3, 5, 4, 4).contiguous(memory_format=torch.channels_last).requires_grad_()
    y = layer(x)
    assert y.is_contiguous(memory_format=torch.channels_last)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad * x.detach(), y.detach())
    assert layer.eval()(x) is x


def test_dropout_draws_from_its_generator_only() -> None:
    network = build(MLP(hidden=(50, 50), drop=0.5), (4,), 2, seed=0).train()
    x = torch.rand(10, 4)

    def run(seed: int) -> Tensor:
        set_dropout_generator(network, torch.Generator().manual_seed(seed))
        return network(x)

    before = torch.get_rng_state()
    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))
    assert torch.equal(torch.get_rng_state(), before)
    set_dropout_generator(network, None)
    assert torch.equal(pickle.loads(pickle.dumps(copy.deepcopy(network))).eval()(x), network.eval()(x))


def test_shapes_that_do_not_fit_are_named() -> None:
    arch = CNN(channels=(4,))
    with pytest.raises(ArgumentError, match="image_shape="):
        build(arch, (784,), 10)
    with pytest.raises(ArgumentError, match=r"input_shape\[1\]=0"):
        count_params(arch, (1, 0, 4), 10)
    with pytest.raises(ArgumentError, match="n_classes=0"):
        count_params(MLP(), (4,), 0)
    with pytest.raises(ArgumentError, match=r"dnc\.CNN or a dnc\.MLP"):
        count_params("net", (4,), 2)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="shape of one sample"):
        count_params(MLP(), (), 2)
