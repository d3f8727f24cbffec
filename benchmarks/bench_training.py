"""Training time of the engines as ratios to the plain way, measured in turns in one run, with the accuracy they reach.

Thread CPU time on one thread; each number is a median over rounds, and each ratio a median of the rounds' ratios.
Beside it stands the floor: the time that the hidden layers' products alone take at the measured speed of this machine.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from baseline import Baseline

import dnc
from dnc.config import CNN, MLP, Config, Training
from dnc.data.dataset import Dataset
from dnc.training.engine import Engine, compute_settings, machine_name
from dnc.training.loop import train
from dnc.training.machine import cpu_has_bfloat16
from dnc.training.mlp_cpu.direct import DirectStack
from dnc.training.stepper import build_stepper

STEPS, ROUNDS, BATCH = 10, 9, 256
FEATURES, CLASSES = 784, 10
SEEDS, EPOCHS = 5, 15


def random_data(n: int, shape: tuple[int, ...], augment: bool = False) -> Dataset:
    """n training samples of random bytes: the time of a step does not depend on them."""
    x = np.random.default_rng(0).integers(0, 256, (n + n // 4, *shape), dtype=np.uint8)
    layout = "NCHW" if len(shape) == 3 else None
    return Dataset.from_arrays(x, np.arange(len(x)) % CLASSES, layout=layout, augment=augment)


def stepped(step: Callable[[int, int], None], batch: int, n: int) -> Callable[[], None]:
    """A function that runs STEPS steps, going round through the samples."""
    place = 0

    def run() -> None:
        nonlocal place
        for _ in range(STEPS):
            step(place, place + batch)
            place = place + batch if place + 2 * batch <= n else 0

    return run


def short_repr(configs: Sequence[Config], data: Dataset) -> Callable[[], None]:
    """STEPS steps of each config the plain way, one after the other."""
    baselines = [Baseline(config, data) for config in configs]

    def run() -> None:
        for baseline in baselines:
            baseline.steps(STEPS)

    return run


def stack(configs: Sequence[Config], data: Dataset, engine: Engine) -> Callable[[], None]:
    """STEPS steps of all configs side by side."""
    trained = DirectStack(configs, data, engine, seed=0)
    trained.start_epoch(0, [config.training.lr for config in configs])
    return stepped(trained.step, trained.batch_size, trained.n_train)


def single(config: Config, data: Dataset, engine: Engine) -> Callable[[], None]:
    """STEPS steps of one config."""
    stepper = build_stepper(config, data, engine, seed=0)
    stepper.start_epoch(0, config.training.lr)
    return stepped(stepper.step, stepper.batch_size, stepper.n_train)


def in_turns(runs: Sequence[Callable[[], None]]) -> tuple[list[float], list[float]]:
    """Median seconds of each run, and median of (first run / this run) over the rounds."""
    rounds: list[list[float]] = []
    for number in range(ROUNDS + 1):
        times = []
        for run in runs:
            started = time.thread_time()
            run()
            times.append(time.thread_time() - started)
        if number:  # the first round warms up
            rounds.append(times)
    columns = list(zip(*rounds, strict=True))
    ratios = [statistics.median(times[0] / times[i] for times in rounds) for i in range(len(runs))]
    return [statistics.median(column) for column in columns], ratios


def product_speed(dtype: torch.dtype) -> float:
    """Floating-point operations a second of the products of a 784-300 layer."""
    w, x = (torch.randn(n, FEATURES).to(dtype) for n in (300, BATCH))
    z = torch.empty(300, BATCH, dtype=dtype)
    times = []
    for _ in range(60):
        started = time.thread_time()
        torch.mm(w, x.t(), out=z)
        times.append(time.thread_time() - started)
    return 2 * w.numel() * BATCH / statistics.median(times)


def product_seconds(configs: Sequence[Config], speed: float) -> float:
    """The floor: seconds of a step's products of all configs (forward, and both gradients but the first layer's)."""
    total = 0
    for config in configs:
        assert isinstance(config.arch, MLP)
        widths = (FEATURES, *config.arch.hidden, CLASSES)
        sizes = [a * b for a, b in zip(widths, widths[1:], strict=False)]
        total += 2 * BATCH * (3 * sum(sizes) - sizes[0])
    return total / speed


def mlp(*hidden: int, drop: float = 0.2) -> Config:
    n_params = sum(a * b + b for a, b in zip((FEATURES, *hidden), (*hidden, CLASSES), strict=True))
    return Config(MLP(hidden, drop), Training(weight_decay=n_params * 1e-9, batch_size=BATCH))


def mlp_table(best: Engine) -> None:
    """Steps of perceptrons: the plain way, the eager engine, and the direct one alone and in stacks."""
    groups = {
        "784-300-10": [mlp(300)],
        "784-400-400-10": [mlp(400, 400)],
        "15 nets of 20 to 100 nodes": [mlp(int(h)) for h in np.linspace(20, 100, 15)],
        "15 nets of 20 to 400 nodes": [mlp(int(h)) for h in np.linspace(20, 400, 15)],
        "784-100-10, 5 drops": [mlp(100, drop=p) for p in (0.0, 0.1, 0.3, 0.4, 0.5)],
        "784-300-10, 5 drops": [mlp(300, drop=p) for p in (0.0, 0.1, 0.3, 0.4, 0.5)],
    }
    data = random_data(10_000, (FEATURES,))
    speed = {dtype: product_speed(getattr(torch, dtype)) for dtype in {"float32", best.dtype}}
    print("products:", ", ".join(f"{v / 1e9:.0f} GFLOP/s in {k}" for k, v in sorted(speed.items())))
    print(f"MLPs, batch {BATCH}: ms of a step and network, (times faster than the plain way)")
    print(f"{'':28}{'plain':>8}{'eager':>15}{'direct f32':>15}{best.dtype:>15}{'floor':>8}")
    for name, configs in groups.items():
        eager = [single(config, data, Engine()) for config in configs]

        def one_by_one(eager: list[Callable[[], None]] = eager) -> None:
            for run in eager:
                run()

        runs = [short_repr(configs, data), one_by_one, stack(configs, data, Engine(kind="direct"))]
        seconds, ratios = in_turns([*runs, stack(configs, data, best)])
        each = [1e3 * s / STEPS / len(configs) for s in seconds]
        cells = "".join(f"{ms:8.2f} ({r:4.2f})" for ms, r in zip(each[1:], ratios[1:], strict=True))
        floor = 1e3 * product_seconds(configs, speed[best.dtype]) / len(configs)
        print(f"{name:28}{each[0]:8.2f}{cells}{floor:8.2f}", flush=True)


def cnn_table() -> None:
    """Steps of small CNNs, in memory and augmented; the plain way augments image by image in a DataLoader.

    The second has channels as a search finds them. Beside the times stands the floor: its convolutions alone.
    """
    archs = (
        CNN((16, 32, 48, 64), pools=(2,), batchnorm=(1, 2, 3, 4), dropout=(0.1, 0.3, 0.3, 0.3)),
        CNN((23, 37, 61), pools=(1, 2), batchnorm=(1, 2, 3), dropout=(0.1, 0.3, 0.3)),
    )
    names = ("plain", "eager float32", "eager bfloat16")
    for arch in archs:
        config = Config(arch, Training(batch_size=64))
        print(f"{arch} on 16x16 and 32x32 images, batch 64: ms of a step, (times faster than the plain way)")
        for side in (16, 32):
            floor = convolution_seconds(arch, side)
            for augment in (False, True):
                data = random_data(960, (3, side, side), augment)
                engines = Engine(), Engine(dtype="bfloat16")
                runs = [short_repr([config], data), *(single(config, data, engine) for engine in engines)]
                seconds, ratios = in_turns(runs)
                cells = (f"{n} {1e3 * s / STEPS:.1f} ({r:.2f})" for n, s, r in zip(names, seconds, ratios, strict=True))
                place = f"{side}x{side} {'augmented' if augment else 'in memory'}"
                print(f"  {place}   ", "   ".join(cells), f"   floor {1e3 * floor:.1f}", flush=True)


def convolution_seconds(arch: CNN, side: int, batch: int = 64) -> float:
    """The floor: seconds of a step's convolutions alone in bfloat16, forward and back, as torch computes them."""
    total, c_in, last = 0.0, 3, torch.channels_last
    for layer, channels in enumerate(arch.channels, start=1):
        x, u = (torch.randn(batch, c, side, side).bfloat16().contiguous(memory_format=last) for c in (c_in, channels))
        w = torch.randn(channels, c_in, 3, 3).bfloat16().contiguous(memory_format=last)
        sides = [1, 1], [1, 1], [1, 1], False, [0, 0], 1
        wanted = [layer > 1, True, False]
        times = []
        for _ in range(20):
            started = time.thread_time()
            torch.convolution(x, w, None, *sides)
            torch.ops.aten.convolution_backward(u, x, w, None, *sides, wanted)
            times.append(time.thread_time() - started)
        total += statistics.median(times)
        c_in = channels
        if layer in arch.pools:
            side //= 2
    return total


def accuracy_table(best: Engine) -> None:
    """The check that the faster ways are as accurate: embedded data, several seeds."""
    data = dnc.load_data("digits").flatten()
    config = Config(MLP((400,), 0.2), Training(lr=3e-3, batch_size=128))  # wide enough for bfloat16
    accuracies: dict[str, list[float]] = {}
    for seed in range(SEEDS):
        baseline = Baseline(config, data, seed, EPOCHS)
        scores = []
        for _ in range(EPOCHS):
            baseline.epoch()
            scores.append(baseline.accuracy())
        accuracies.setdefault("plain", []).append(max(scores))
        for engine in (Engine(), Engine(kind="direct"), best):
            accuracies.setdefault(engine.id, []).append(train(config, data, EPOCHS, seed, engine).val_acc)
    print(
        f"accuracy on digits, 64-400-10, {EPOCHS} epochs, best validation accuracy, mean ± deviation of {SEEDS} seeds:"
    )
    for name, scores in accuracies.items():
        print(f"  {name:24}{statistics.mean(scores):.2%} ± {statistics.stdev(scores):.2%}")


def main() -> None:
    best = Engine(kind="direct", dtype="bfloat16" if cpu_has_bfloat16() else "float32")
    print(f"{machine_name(best)}, torch {torch.__version__}")
    with compute_settings(best):
        mlp_table(best)
        cnn_table()
        accuracy_table(best)


if __name__ == "__main__":
    main()
