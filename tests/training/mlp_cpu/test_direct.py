"""Training without autograd: its gradients, its update, and that companions in a stack change no bit."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from small_perceptrons import DIRECT, REDUCED, SMALL, assert_same_bits, config, flat_data
from small_training import CNN_CONFIG, CPU, MLP_CONFIG, numbers, stripes

from dnc.config import ACTIVATIONS
from dnc.errors import ArgumentError
from dnc.models.predict import predict_logits
from dnc.networks.layers import ACTIVATIONS as FUNCTIONS
from dnc.training import batches, machine
from dnc.training import engine as engines
from dnc.training.clock import calibrate, measure_t_tr
from dnc.training.engine import Engine, select_engine
from dnc.training.loop import train
from dnc.training.mlp_cpu import direct
from dnc.training.mlp_cpu.adam import FlatAdam
from dnc.training.mlp_cpu.direct import DirectStack
from dnc.training.stack import train_stack


@pytest.fixture(autouse=True)
def _small_products_are_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "REDUCED_FROM", SMALL)


# --- padded batches


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_what_stands_behind_a_batch_changes_nothing(draw: st.DataObject) -> None:
    """Losses and gradients of any batch size are those of a float64 network that has seen the batch alone."""
    n = draw.draw(st.integers(1, 40), label="batch size")
    hidden = draw.draw(st.lists(st.integers(1, 20), max_size=3).map(tuple), label="hidden")
    c, data = config(*hidden, batch_size=n), flat_data(60)
    trained = DirectStack([c], data, DIRECT, seed=1, weights=torch.float64)
    trained.start_epoch(0, [1e-3])
    trained.gradients(
        torch.arange(data.n_train - n, data.n_train)
    )  # leaves other samples behind those of the next batch
    before, rows = trained._losses.sum().item(), torch.arange(n)
    trained.gradients(rows)
    network = trained.network(0).double()
    parameters = list(network.parameters())
    stored = [part for pair in layer_pairs(trained, trained.stacked.values) for part in pair]
    for mine, values in zip(parameters, stored, strict=True):
        mine.data.copy_(values)
    x, y = torch.from_numpy(data.x_train).double()[rows] / 255, torch.from_numpy(data.y_train)[rows]
    loss = F.cross_entropy(network(x), y)
    computed = [grad for pair in layer_pairs(trained, trained.grads) for grad in pair]
    for mine, theirs in zip(computed, torch.autograd.grad(loss, parameters), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)
    assert trained._losses.sum().item() - before == pytest.approx(n * loss.item(), rel=1e-9)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 255, 256, 257])
def test_products_have_a_multiple_of_8_columns(n: int) -> None:
    """With another number their kernels end in slow ones; benchmarks/odd_batches.py has the times."""
    trained = DirectStack([config(20, 10, drop=0.2, batch_size=n)], flat_data(400), DIRECT, seed=0)
    trained.start_epoch(0, [1e-3])
    trained.gradients(torch.arange(n))
    stack_pass = trained._passes[n]
    net = stack_pass.nets[0]
    for array in (stack_pass.z, stack_pass.d, stack_pass.masks, *net.z, *net.h, *net.d, net.logits):
        assert (array.shape[-1], array.is_contiguous()) == (-(-n // 8) * 8, True)


# --- against autograd and torch's optimizer


@pytest.mark.parametrize("hidden", [(), (11,), (9, 7), (5, 6, 4)], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_those_of_autograd_in_float64(hidden: tuple[int, ...], activation: str) -> None:
    """With its dropout masks, and next to companions; the loss is compared too."""
    configs = [config(*hidden, drop=0.3, activation=activation), config(8, drop=0.5), config(3, activation="tanh")]
    data, rows = flat_data(100), torch.arange(10, 33)
    trained = DirectStack(configs, data, DIRECT, seed=1, weights=torch.float64)
    trained.start_epoch(0, [1e-3] * 3)
    trained.gradients(rows)
    network = trained.network(0).double()
    for mine, stored in zip(
        network.parameters(), [p for pair in layer_pairs(trained, trained.stacked.values) for p in pair], strict=True
    ):
        mine.data.copy_(stored)

    h = torch.from_numpy(data.x_train).double()[rows] / 255
    own = trained._passes[len(rows)].nets[0]
    masks = own.masks
    for linear, mask in zip(network.hidden, masks, strict=False):
        h = FUNCTIONS[activation](linear(h)) * mask[:, : len(rows)].t() * own.scale
    y = torch.from_numpy(data.y_train)[rows]
    loss = F.cross_entropy(network.classifier(h), y)
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    computed = [grad for pair in layer_pairs(trained, trained.grads) for grad in pair]
    for mine, theirs in zip(computed, gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)
    trained._seen = len(rows)
    assert trained.train_losses()[0] == pytest.approx(loss.item(), rel=1e-12)
    if hidden:
        assert 0.4 < (masks[0] > 0).double().mean() < 0.95


def layer_pairs(trained: DirectStack, flat: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    net = trained.layout.nets[0]
    return list(zip(net.matrices(flat), net.vectors(flat), strict=True))


def test_rates_and_decays_of_a_flat_vector_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    segments = [[(0, 37), (100, 130)], [(37, 100)], [(130, 200)]]
    rates, decays = [1e-3, 1e-3, 5e-2], [0.0, 1e-2, 1e-2]
    values = torch.randn(200, generator=generator)
    parts = [[values[a:b].clone().requires_grad_() for a, b in own] for own in segments]
    theirs = [
        torch.optim.Adam(own, lr, weight_decay=decay, fused=True)
        for own, lr, decay in zip(parts, rates, decays, strict=True)
    ]
    grads = torch.zeros(200)
    mine = FlatAdam(values, grads, segments, decays)
    for step in range(6):
        scale = 1.0 if step < 3 else 0.2
        mine.set_rates([scale * lr for lr in rates])
        grads.copy_(torch.randn(200, generator=generator))
        for optimizer, own, bounds, lr in zip(theirs, parts, segments, rates, strict=True):
            optimizer.param_groups[0]["lr"] = scale * lr
            for part, (a, b) in zip(own, bounds, strict=True):
                part.grad = grads[a:b].clone()
            optimizer.step()
        mine.step()
    for own, bounds in zip(parts, segments, strict=True):
        for part, (a, b) in zip(own, bounds, strict=True):
            assert torch.equal(values[a:b], part.detach())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_without_dropout_it_is_the_eager_engine_up_to_rounding(activation: str) -> None:
    for hidden in ((), (12,), (12, 9)):
        c, data = config(*hidden, activation=activation, batch_size=48), flat_data(300)
        eager, direct = train(c, data, 4, 3, CPU), train(c, data, 4, 3, DIRECT)
        np.testing.assert_allclose(numbers(direct), numbers(eager), rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("engine", [DIRECT, REDUCED], ids=lambda e: e.dtype)
def test_networks_learn_with_dropout(engine: Engine) -> None:
    outcome = train(config(32, 16, drop=0.2, batch_size=96), flat_data(1200), 15, 0, engine)
    assert outcome.val_acc > 0.95
    assert outcome.curve[-1].train_loss < 0.5 * outcome.curve[0].train_loss


def test_masks_keep_the_mean_and_differ_between_steps_layers_and_networks() -> None:
    configs = [config(300, 300, drop=p, batch_size=64) for p in (0.5, 0.2, 0.0)]
    trained = DirectStack(configs, flat_data(100), DIRECT, seed=0)
    trained.start_epoch(0, [1e-3] * 3)
    seen, nets = [], []
    for _ in range(2):
        trained.gradients(torch.arange(64))
        nets = trained._passes[64].nets
        seen += [mask.clone() for net in nets[:2] for mask in net.masks]
        assert all(bool((mask == 1).all()) for mask in nets[2].masks)
    for i, mask in enumerate(seen):
        net = nets[i // 2 % 2]
        share = 1 - round(256 * net.layout.arch.drop) / 256
        assert mask.unique().tolist() == [0, 1]
        assert mask.mean().item() == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / mask.numel()))
        assert net.scale == 1 / share
    assert len({(mask > 0).numpy().tobytes() for mask in seen}) == len(seen)


# --- engines


def test_engines_of_the_families(monkeypatch: pytest.MonkeyPatch) -> None:
    for native, dtype in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(engines, "cpu_has_bfloat16", lambda native=native: native)
        assert select_engine("cpu", family="mlp") == Engine("cpu", dtype, kind="direct")
        assert select_engine("cpu", family="mlp").id == f"direct-cpu-{dtype}-{4 if native else 2}"
        assert select_engine("cpu", family="cnn").kind == "eager"
        assert select_engine("cpu", "float32", "mlp") == DIRECT
        assert select_engine("cpu") == CPU
    assert Engine.parse("direct-cpu-bfloat16-4") == REDUCED
    with pytest.raises(ArgumentError, match="engine version"):
        Engine.parse("direct-cpu-bfloat16-2")
    with pytest.raises(ArgumentError, match="engine version"):
        Engine(version=9)
    with pytest.raises(ArgumentError, match="CPU only"):
        Engine.parse("direct-cuda-float32-1")
    with pytest.raises(ArgumentError, match="did you mean 'mlp'"):
        select_engine(family="mpl")


def test_bfloat16_in_hardware_is_read_from_the_cpus_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    for flags, native in (
        ("fpu avx512_bf16 avx512f", True),
        ("amx_bf16", True),
        ("avx512f avx512_bf", False),
        ("", False),
    ):
        monkeypatch.setattr(machine, "_cpu_info", lambda *names, flags=flags: flags)
        assert machine.cpu_has_bfloat16.__wrapped__() is native


@pytest.mark.parametrize("hidden", [(), (16,), (16, 8), (3, 30, 40)], ids=str)
def test_bfloat16_is_close_to_float32_and_used_for_large_products(
    hidden: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = flat_data(600)
    widths = (20, *(hidden or (5,)))
    rows = (max(widths[1], 16), *widths[2:])  # of a first layer there are at least 16
    largest = max(a * b for a, b in zip(widths, rows, strict=False))
    monkeypatch.setattr(direct, "REDUCED_FROM", 96 * largest)
    for batch_size in (95, 96):
        c = config(*hidden, drop=0.2, batch_size=batch_size)
        full, half = train(c, data, 3, 0, DIRECT), train(c, data, 3, 0, REDUCED)
        losses = [[e.train_loss for e in outcome.curve] for outcome in (full, half)]
        assert (losses[0] == losses[1]) == (batch_size == 95)
        np.testing.assert_allclose(losses[1], losses[0], rtol=0.02)


def test_a_cnn_is_refused() -> None:
    for call in (train, lambda c, *a: train_stack([c, c], *a)):
        with pytest.raises(ArgumentError, match="trains MLPs only"):
            call(CNN_CONFIG, stripes(), 1, 0, DIRECT)
    with pytest.raises(ArgumentError, match=r"\[\(32, False\), \(64, False\)\]"):
        DirectStack([config(4), config(4, batch_size=64)], flat_data(100), DIRECT, 0)


@pytest.mark.parametrize("engine", [DIRECT, REDUCED], ids=lambda e: e.dtype)
def test_a_training_is_a_function_of_its_arguments_and_images_are_flat(engine: Engine) -> None:
    images = stripes(augment=True)
    c = replace(MLP_CONFIG, training=replace(MLP_CONFIG.training, batch_size=100))
    first = train(c, images, 2, 5, engine, keep_weights=True)
    torch.manual_seed(999)
    before = torch.get_rng_state()
    assert_same_bits(train(c, images.flatten(), 2, 5, engine, keep_weights=True), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert numbers(train(c, images, 2, 6, engine)) != numbers(first)


@pytest.mark.parametrize("engine", [DIRECT, REDUCED], ids=lambda e: e.dtype)
def test_data_too_large_to_be_kept_as_floats_give_the_same(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    c, data = config(8, drop=0.2, batch_size=100), flat_data(300)
    converted_once = train(c, data, 2, 0, engine, keep_weights=True)
    monkeypatch.setattr(batches, "CONVERT_ONCE_BYTES", 0)
    assert_same_bits(train(c, data, 2, 0, engine, keep_weights=True), converted_once)


def test_rows_are_converted_once_and_kept_while_their_array_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_row_cache", {})
    x = np.arange(256, dtype=np.uint8).reshape(32, 2, 4)
    rows = {dtype: batches.float_rows(x, dtype) for dtype in (torch.float32, torch.bfloat16)}
    for dtype, cached in rows.items():
        assert torch.equal(cached, (torch.arange(256).view(32, 8) / 255).to(dtype))
        assert batches.float_rows(x, dtype) is cached
    assert batches.float_rows(x.copy(), torch.float32) is not rows[torch.float32]
    assert set(batches._row_cache) == {(id(x), dtype) for dtype in rows}  # the copy is gone, and so are its rows
    floats = x.astype(np.float32)
    assert batches.float_rows(floats, torch.float32).data_ptr() == floats.ctypes.data
    monkeypatch.setattr(batches, "CACHE_BYTES", 1024 + 511)
    batches.float_rows(x, torch.float32)
    assert set(batches._row_cache) == {(id(x), torch.float32)}  # the one used last
    del x
    assert not batches._row_cache


@pytest.mark.parametrize("engine", [DIRECT, REDUCED], ids=lambda e: e.dtype)
@pytest.mark.parametrize("hidden", [(), (16, 9)], ids=str)
def test_predictions_are_those_of_the_last_evaluation(engine: Engine, hidden: tuple[int, ...]) -> None:
    data = flat_data(300)
    outcome = train(
        config(*hidden, drop=0.1, activation="silu" if hidden else "relu"), data, 2, 0, engine, keep_weights=True
    )
    assert outcome.model is not None
    logits = torch.from_numpy(predict_logits(outcome.model, data.x_val, engine))
    y = torch.from_numpy(data.y_val)
    assert (logits.argmax(1) == y).double().mean().item() == outcome.curve[-1].val_acc
    assert F.cross_entropy(logits, y).item() == pytest.approx(outcome.curve[-1].val_loss, rel=1e-5)
    plain = outcome.model(torch.from_numpy(data.x_val) / 255)
    torch.testing.assert_close(logits, plain.detach(), rtol=0.1 if engine is REDUCED else 1e-4, atol=0.05)


def test_no_validation_samples_give_nan() -> None:
    data = flat_data(100)
    outcome = train(config(4), replace(data, x_val=data.x_val[:0], y_val=data.y_val[:0]), 1, 0, DIRECT)
    assert math.isnan(outcome.val_acc)


def test_the_clock_times_this_engine() -> None:
    calibration = calibrate(DIRECT)
    assert calibration.engine == "direct-cpu-float32-2"
    timing = measure_t_tr(config(300, drop=0.2, batch_size=256), flat_data(400, 784, 10), DIRECT, calibration)
    assert timing.ratio == pytest.approx(1, abs=0.5)  # nearly the calibration network
