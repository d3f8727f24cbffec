"""The parts of a training in closed form: Adam, learning rate, batches, order, random streams."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dnc.training.adam import Adam
from dnc.training.loop import batch_bounds, learning_rate
from dnc.training.streams import shuffled, stream_seed


def test_adam_is_torchs_fused_adam_bit_for_bit() -> None:
    generator = torch.Generator().manual_seed(0)
    mine = [torch.randn(7, 5, generator=generator), torch.randn(5, generator=generator)]
    theirs = [nn.Parameter(p.clone()) for p in mine]
    adam = Adam(mine, lr=1e-2, weight_decay=1e-3)
    oracle = torch.optim.Adam(theirs, lr=1e-2, weight_decay=1e-3, fused=True)
    for step in range(20):
        grads = [torch.randn(p.shape, generator=generator) for p in mine]
        if step == 10:
            adam.lr = oracle.param_groups[0]["lr"] = 2e-3
        for p, grad in zip(theirs, grads, strict=True):
            p.grad = grad.clone()
        adam.step(grads)
        oracle.step()
    assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


def test_adam_adds_weight_decay_to_the_gradient() -> None:
    weight = torch.tensor([2.0])
    Adam([weight], lr=0.1, weight_decay=0.5).step([torch.tensor([0.0])])
    assert weight.item() == pytest.approx(1.9)  # the first step is lr · sign(g + λw)


def test_learning_rate_drops_at_half_and_three_quarters() -> None:
    rates = [learning_rate(1.0, epoch, 60) for epoch in range(60)]
    assert rates == pytest.approx([1.0] * 30 + [0.2] * 15 + [0.04] * 15)
    assert learning_rate(0.1, 0, 1) == 0.1
    assert [learning_rate(1.0, e, 2) for e in range(2)] == pytest.approx([1.0, 0.2])
    assert [learning_rate(1.0, e, 4) for e in range(4)] == pytest.approx([1.0, 1.0, 0.2, 0.04])


@given(st.integers(1, 500), st.integers(1, 600))
def test_batches_cover_every_sample_once_and_none_is_left_alone(n: int, batch_size: int) -> None:
    bounds = batch_bounds(n, batch_size)
    assert [i for start, stop in bounds for i in range(start, stop)] == list(range(n))
    sizes = [stop - start for start, stop in bounds]
    assert all(size == batch_size for size in sizes[:-1])
    assert sizes[-1] <= batch_size + 1
    assert min(sizes) > 1 or batch_size == 1 or n == 1


def test_order_is_a_permutation_of_seed_and_epoch() -> None:
    order = shuffled(50, seed=1, epoch=2)
    assert sorted(order.tolist()) == list(range(50))
    assert torch.equal(order, shuffled(50, seed=1, epoch=2))
    others = [shuffled(50, 1, 3), shuffled(50, 2, 2)]
    assert not any(torch.equal(order, other) for other in others)


def test_streams_differ_by_purpose() -> None:
    seeds = {stream_seed(0, "key", name) for name in ("weights", "dropout")} | {stream_seed(0, "augment", 1)}
    seeds |= {stream_seed(1, "key", "weights"), stream_seed(0, "other", "weights")}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**32 for seed in seeds)
