"""Train several configs at once: perceptrons with one batch size share their batches and their first product."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from dnc.config import Config
from dnc.data.dataset import Dataset
from dnc.errors import check_int
from dnc.networks.params import count_params
from dnc.training.engine import Engine, compute_settings
from dnc.training.loop import Outcome, check_finite, failing_on_memory, learning_rate, train
from dnc.training.mlp_cpu.direct import DirectStack, stack_key
from dnc.training.stepper import TrainingFailed
from dnc.training.streams import batch_bounds
from dnc.trial import Epoch

OnEpoch = Callable[[int, Epoch], None]


def train_stack(
    configs: Sequence[Config],
    data: Dataset,
    epochs: int,
    seed: int,
    engine: Engine,
    *,
    on_epoch: OnEpoch | None = None,
    keep_weights: bool = False,
) -> list[Outcome | TrainingFailed]:
    """Train every config as `train` would, bit for bit; those that can share their work are trained side by side.

    With an engine of kind "direct", configs with the same `stack_key` (equal batch sizes, first products of one type)
    form a stack; all others are trained one by one. Before a stack is trained, it is checked that on this machine a
    shared product has the bits of separate ones; if not, its configs are trained one by one too. The seconds of a
    stack's epoch are divided among its configs in proportion to their parameter counts.

    Args:
        configs: what to train; perceptrons, if the kind is "direct".
        data, epochs, seed, engine, keep_weights: as in `train`.
        on_epoch: called with (epoch from 0, its `Epoch`) for every config after each epoch; an exception from it ends
            all trainings.

    Returns:
        An outcome for each config, in their order, or the TrainingFailed that `train` would raise.

    Raises:
        ArgumentError: as `train`.

    >>> import numpy as np
    >>> from dnc.config import MLP
    >>> data = Dataset.from_arrays(np.zeros((100, 20), dtype=np.uint8), np.arange(100) % 2)
    >>> configs = [Config(MLP(hidden=(n,))) for n in (8, 16)]
    >>> outcomes = train_stack(configs, data, epochs=2, seed=0, engine=Engine(kind="direct"))
    >>> [len(outcome.curve) for outcome in outcomes]
    [2, 2]
    """
    epochs, seed = check_int("epochs", epochs, 1), check_int("train_seed", seed, 0)
    groups: dict[object, list[int]] = {}
    for i, config in enumerate(configs):
        groups.setdefault(stack_key(config, data, engine) if engine.kind == "direct" else i, []).append(i)
    outcomes: dict[int, Outcome | TrainingFailed] = {}  # by the config's index
    for members in groups.values():
        group = [configs[i] for i in members]
        stacked = _side_by_side(group, data, epochs, seed, engine, on_epoch, keep_weights) if len(group) > 1 else None
        if stacked is None:
            stacked = [_alone(config, data, epochs, seed, engine, on_epoch, keep_weights) for config in group]
        outcomes.update(zip(members, stacked, strict=True))
    return [outcomes[i] for i in range(len(configs))]


def _alone(
    config: Config, data: Dataset, epochs: int, seed: int, engine: Engine, on_epoch: OnEpoch | None, keep_weights: bool
) -> Outcome | TrainingFailed:
    try:
        return train(config, data, epochs, seed, engine, on_epoch=on_epoch, keep_weights=keep_weights)
    except TrainingFailed as failure:
        return failure


def _side_by_side(
    configs: Sequence[Config],
    data: Dataset,
    epochs: int,
    seed: int,
    engine: Engine,
    on_epoch: OnEpoch | None,
    keep_weights: bool,
) -> list[Outcome | TrainingFailed] | None:
    """Outcomes of a stack; None if its bits would differ from separate trainings, or it does not fit into memory."""
    curves: list[list[Epoch]] = [[] for _ in configs]
    failures: dict[int, TrainingFailed] = {}
    sizes = [count_params(config.arch, data.input_shape, data.n_classes) for config in configs]
    try:
        with compute_settings(engine), failing_on_memory():
            stack = DirectStack(configs, data, engine, seed)
            if not stack.shares_bits():
                return None
            for epoch in range(epochs):
                started = time.perf_counter()
                stack.start_epoch(epoch, [learning_rate(c.training.lr, epoch, epochs) for c in configs])
                for start, stop in batch_bounds(stack.n_train, stack.batch_size):
                    stack.step(start, stop)
                losses, scores = stack.train_losses(), stack.evaluate()
                seconds = time.perf_counter() - started
                for i, (loss, score) in enumerate(zip(losses, scores, strict=True)):
                    point = Epoch(loss, *score, seconds * sizes[i] / sum(sizes))
                    try:
                        check_finite(point, epoch, data.n_val)
                    except TrainingFailed as failure:
                        # it stays in the stack, where NaNs in its own rows disturb no other network
                        failures.setdefault(i, failure)
                    curves[i].append(point)
                    if on_epoch is not None:
                        on_epoch(epoch, point)
                if len(failures) == len(configs):
                    break
            networks = [stack.network(i) if keep_weights else None for i in range(len(configs))]
    except TrainingFailed:  # out of memory for all of them at once: each alone may still fit
        return None
    return [
        failures.get(i)
        or Outcome(tuple(curve), max(p.val_acc for p in curve), sum(p.seconds for p in curve), networks[i])
        for i, curve in enumerate(curves)
    ]
