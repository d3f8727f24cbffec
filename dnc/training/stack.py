"""Train several configs at once: perceptrons that share a batch size share their batches and their first product."""

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
    """Train every config as `train` would, bit for bit, those that can share their work side by side.

    Configs with equal batch sizes and first products of one type form a stack if the engine's kind is "direct"; others
    are trained one by one. Before a stack is trained, it is checked that on this machine a shared product has the bits
    of separate ones; where it has not, its configs are trained one by one too. The seconds of an epoch are shared out
    by parameter counts.

    Args:
        configs: what to train; perceptrons, where the kind is "direct".
        data, epochs, seed, engine, keep_weights: as in `train`.
        on_epoch: as in `train`, called for every config of a stack; an exception from it ends all trainings.

    Returns:
        An outcome for each config, in their order; the TrainingFailed that `train` would raise in place of one.

    Raises:
        ArgumentError: as `train`.
    """
    epochs, seed = check_int("epochs", epochs, 1), check_int("train_seed", seed, 0)
    groups: dict[object, list[int]] = {}
    for i, config in enumerate(configs):
        groups.setdefault(stack_key(config, data, engine) if engine.kind == "direct" else i, []).append(i)
    found: dict[int, Outcome | TrainingFailed] = {}
    for members in groups.values():
        chosen = [configs[i] for i in members]
        outcomes = (
            _side_by_side(chosen, data, epochs, seed, engine, on_epoch, keep_weights) if len(chosen) > 1 else None
        )
        if outcomes is None:
            outcomes = [_alone(config, data, epochs, seed, engine, on_epoch, keep_weights) for config in chosen]
        found.update(zip(members, outcomes, strict=True))
    return [found[i] for i in range(len(configs))]


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
    """Outcomes of a stack; None if it cannot have the bits of separate trainings, or does not fit into memory."""
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
                        failures.setdefault(i, failure)
                    curves[i].append(point)
                    if on_epoch is not None:
                        on_epoch(epoch, point)
                if len(failures) == len(configs):
                    break
            networks = [stack.network(i) if keep_weights else None for i in range(len(configs))]
    except TrainingFailed:  # the memory does not suffice for all of them at once
        return None
    return [
        failures.get(i)
        or Outcome(tuple(curve), max(p.val_acc for p in curve), sum(p.seconds for p in curve), networks[i])
        for i, curve in enumerate(curves)
    ]
