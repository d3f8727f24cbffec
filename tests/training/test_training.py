"""The training loop: against plain torch, determinism, failures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_training import CNN_CONFIG, CPU, MLP_CONFIG, numbers, stripes

from dnc.config import CNN, MLP, Config, Training
from dnc.data.dataset import Dataset
from dnc.errors import ArgumentError
from dnc.networks.build import build
from dnc.training import batches, loop
from dnc.training import engine as engines
from dnc.training.eager import EagerStepper
from dnc.training.loop import train
from dnc.training.stepper import TrainingFailed
from dnc.training.streams import shuffled, stream_seed
from dnc.trial import Epoch

# --- against plain torch


def plain_training(config: Config, data: Dataset, epochs: int, seed: int) -> list[tuple[float, float, float]]:
    """The same training as a textbook loop: modules, `F.cross_entropy`, torch's Adam and its default schedule class."""
    network = build(config.arch, data.input_shape, data.n_classes, stream_seed(seed, config.key, "weights"))
    optimizer = torch.optim.Adam(network.parameters(), config.training.lr, weight_decay=config.training.weight_decay)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [epochs // 2, 3 * epochs // 4], gamma=0.2)
    x, y = torch.from_numpy(data.x_train) / 255, torch.from_numpy(data.y_train)
    x_val, y_val = torch.from_numpy(data.x_val) / 255, torch.from_numpy(data.y_val)
    curve = []
    for epoch in range(epochs):
        network.train()
        total = 0.0
        for rows in shuffled(len(x), seed, epoch).split(config.training.batch_size):
            loss = F.cross_entropy(network(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        schedule.step()
        network.eval()
        with torch.no_grad():
            logits = network(x_val)
        accuracy = (logits.argmax(1) == y_val).double().mean().item()
        curve.append((total / len(x), F.cross_entropy(logits, y_val).item(), accuracy))
    return curve


@pytest.mark.parametrize(
    "arch",
    [MLP(), MLP(hidden=(12, 9), activation="tanh"), replace(CNN_CONFIG.arch, dropout=())],
    ids=["linear", "mlp", "cnn"],
)
def test_training_without_dropout_is_a_textbook_loop(arch: MLP | CNN) -> None:
    config = Config(arch, Training(lr=5e-3, weight_decay=1e-3, batch_size=32))
    outcome = train(config, stripes(), 4, 3, CPU)
    np.testing.assert_allclose(numbers(outcome), plain_training(config, stripes(), 4, 3), rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("config", [MLP_CONFIG, CNN_CONFIG], ids=["mlp", "cnn"])
@pytest.mark.parametrize("augment", [False, True])
def test_networks_learn(config: Config, augment: bool) -> None:
    outcome = train(config, stripes(), 12, 0, CPU)
    assert outcome.val_acc > 0.9
    assert outcome.curve[-1].train_loss < 0.5 * outcome.curve[0].train_loss


def test_outcome_is_the_best_accuracy_and_the_sum_of_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [Epoch(1.0, 1.0, 0.5, 2.0), Epoch(0.5, 0.5, 0.9, 3.0), Epoch(0.4, 0.6, 0.8, 4.0)]
    monkeypatch.setattr(loop, "run_epoch", lambda stepper, epoch, lr: points[epoch])
    outcome = train(MLP_CONFIG, stripes(), 3, 0, CPU)
    assert (outcome.curve, outcome.val_acc, outcome.seconds, outcome.model) == (tuple(points), 0.9, 9.0, None)


def test_every_epoch_is_timed() -> None:
    assert all(e.seconds > 0 for e in train(MLP_CONFIG, stripes(), 3, 0, CPU).curve)


# --- determinism


@pytest.mark.parametrize("config", [MLP_CONFIG, CNN_CONFIG], ids=["mlp", "cnn"])
def test_a_training_is_a_function_of_its_arguments_bit_for_bit(config: Config) -> None:
    data = stripes(augment=True)
    first = train(config, data, 3, 5, CPU, keep_weights=True)
    torch.manual_seed(999)
    np.random.seed(999)
    train(MLP_CONFIG if config is CNN_CONFIG else CNN_CONFIG, data, 1, 1, CPU)
    torch.set_num_threads(2)
    before = torch.get_rng_state()
    again = train(config, stripes(augment=True), 3, 5, CPU, keep_weights=True)
    assert torch.get_num_threads() == 2
    assert torch.equal(torch.get_rng_state(), before)
    assert numbers(again) == numbers(first)
    assert first.model is not None
    assert again.model is not None
    state = again.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in first.model.state_dict().items())
    assert numbers(train(config, data, 3, 6, CPU)) != numbers(first)


def test_lr_changes_the_training_but_not_the_order_of_the_samples() -> None:
    orders = []
    for lr in (1e-3, 1e-2):
        stepper = EagerStepper(Config(MLP_CONFIG.arch, Training(lr=lr)), stripes(), CPU, seed=4)
        stepper.start_epoch(1, lr)
        orders.append(stepper._order)
    assert torch.equal(orders[0], orders[1])
    assert torch.equal(orders[0], shuffled(192, 4, 1))


def test_an_mlp_sees_images_flat_and_unaugmented() -> None:
    images = stripes(augment=True)
    assert numbers(train(MLP_CONFIG, images, 2, 0, CPU)) == numbers(train(MLP_CONFIG, images.flatten(), 2, 0, CPU))


@pytest.mark.parametrize("config", [MLP_CONFIG, CNN_CONFIG], ids=["mlp", "cnn"])
def test_bytes_are_the_floats_divided_by_255(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    curve = numbers(train(config, stripes(), 2, 0, CPU))
    assert numbers(train(config, stripes(dtype=np.float32), 2, 0, CPU)) == curve
    monkeypatch.setattr(batches, "CONVERT_ONCE_BYTES", 0)  # data too large to be kept as floats
    assert numbers(train(config, stripes(), 2, 0, CPU)) == curve


def test_augmentation_changes_training_only() -> None:
    plain, augmented = stripes(), stripes(augment=True)
    assert numbers(train(CNN_CONFIG, plain, 2, 0, CPU)) != numbers(train(CNN_CONFIG, augmented, 2, 0, CPU))
    stepper = EagerStepper(CNN_CONFIG, augmented, CPU, seed=0)
    assert stepper.evaluate() == stepper.evaluate()


def test_evaluation_in_chunks_is_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(MLP_CONFIG, stripes(), 2, 0, CPU)
    monkeypatch.setattr(batches, "CHUNK_ROWS", 7)
    np.testing.assert_allclose(numbers(train(MLP_CONFIG, stripes(), 2, 0, CPU)), numbers(whole), rtol=1e-5)


@pytest.fixture
def denormals() -> Iterator[None]:
    before = engines.flushes_denormals()
    yield
    torch.set_flush_denormal(before)


@pytest.mark.usefixtures("denormals")
@pytest.mark.parametrize("before", [False, True])
def test_the_users_settings_come_back_even_after_an_error(before: bool) -> None:
    if not torch.set_flush_denormal(before):
        pytest.skip("this CPU cannot flush denormals")
    torch.set_num_threads(2)
    seen = []

    def stop(epoch: int, point: Epoch) -> None:
        seen.append((torch.get_num_threads(), engines.flushes_denormals()))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(MLP_CONFIG, stripes(), 3, 0, CPU, on_epoch=stop)
    assert seen == [(1, True)]
    assert (torch.get_num_threads(), engines.flushes_denormals()) == (2, before)


def test_on_epoch_sees_every_epoch() -> None:
    seen: list[tuple[int, Epoch]] = []
    outcome = train(MLP_CONFIG, stripes(), 3, 0, CPU, on_epoch=lambda i, e: seen.append((i, e)))
    assert seen == list(enumerate(outcome.curve))


# --- edges and errors


def test_a_last_batch_of_one_sample_joins_the_one_before() -> None:
    data = stripes()
    small = replace(data, x_train=data.x_train[:33], y_train=data.y_train[:33])
    deep = Config(CNN(channels=(4,) * 5, pools=(1, 2, 3, 4), batchnorm=(1, 2, 3, 4, 5)), Training(batch_size=32))
    assert math.isfinite(train(deep, small, 2, 0, CPU).curve[-1].train_loss)
    with pytest.raises(TrainingFailed, match="at least two samples"):
        train(Config(deep.arch, Training(batch_size=1)), small, 1, 0, CPU)


@pytest.mark.parametrize("size", [1, 2])
def test_tiny_images_and_a_large_batch_work(size: int) -> None:
    rng = np.random.default_rng(0)
    data = Dataset.from_arrays(
        rng.integers(0, 256, (40, 3, size, size), dtype=np.uint8), np.arange(40) % 2, layout="NCHW"
    )
    arch = CNN(channels=(4,) * 4, pools=(1, 2), strides=(2, 3), batchnorm=(1, 2, 3, 4), shortcuts=(1, 2))
    assert 0 <= train(Config(arch, Training(batch_size=512)), data, 2, 0, CPU).val_acc <= 1


def test_no_validation_samples_give_nan() -> None:
    data = stripes()
    outcome = train(MLP_CONFIG, replace(data, x_val=data.x_val[:0], y_val=data.y_val[:0]), 1, 0, CPU)
    assert math.isnan(outcome.val_acc)
    assert math.isnan(outcome.curve[0].val_loss)


def test_a_loss_that_is_not_finite_fails_once_an_epoch() -> None:
    data = stripes(dtype=np.float32)
    huge = replace(data, x_train=data.x_train * np.float32(1e37))
    calls = []
    config = Config(MLP(hidden=(16, 16)), Training(lr=1e6, batch_size=32))
    with pytest.raises(TrainingFailed, match=r"loss became (nan|inf) \(train\) in epoch 1: "):
        train(config, huge, 3, 0, CPU, on_epoch=lambda i, e: calls.append(i))
    assert calls == []
    with pytest.raises(TrainingFailed, match=r"nan \(validation\) in epoch"):
        loop.check_finite(Epoch(1.0, math.nan, 0.5, 1.0), 0, n_val=10)
    loop.check_finite(Epoch(1.0, math.nan, math.nan, 1.0), 0, n_val=0)


def test_lack_of_memory_fails_the_trial_and_other_errors_are_not_hidden() -> None:
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 1 bytes")):
        with pytest.raises(TrainingFailed, match="memory"), loop.failing_on_memory():
            raise error
    with pytest.raises(RuntimeError, match="bug"), loop.failing_on_memory():
        raise RuntimeError("a bug")


def test_bad_arguments() -> None:
    with pytest.raises(ArgumentError, match="image_shape="):
        train(CNN_CONFIG, stripes().flatten(), 1, 0, CPU)
    with pytest.raises(ArgumentError, match="epochs=0"):
        train(MLP_CONFIG, stripes(), 0, 0, CPU)
    with pytest.raises(ArgumentError, match="train_seed=-1"):
        train(MLP_CONFIG, stripes(), 1, -1, CPU)
