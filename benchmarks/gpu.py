"""The CUDA path: is it right, and how fast is it?

    usage: python benchmarks/gpu.py [--rounds 5] [--images 10000] [--search-images 10000] [--search-epochs 5]

1. Correct: the same configs trained on the CPU and on the GPU, augmented images, predictions of one network on both.
2. Fast: seconds of a training epoch, a plain eager loop against this engine (batches gathered and augmented on the
   device, bfloat16, channels_last, fused Adam, no waiting within an epoch), launched step by step and replayed from
   CUDA graphs, in turns, medians over rounds.
3. In use: a search of CNNs for CIFAR-10 at a stated budget, where its files are under $DNC_DATA.

The engine itself uses no CUDA graphs: they would have to gain first. Without a CUDA device it says so, and that is all.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from baseline import Baseline
from graphs import Capture, GraphedStepper, cuda_graph

import dnc
from dnc.config import CNN, MLP, Architecture, Config, Training
from dnc.data.augmenter import Augmenter
from dnc.data.dataset import Dataset
from dnc.errors import DataError
from dnc.models.predict import predict_logits
from dnc.searches.settings import Device
from dnc.training.eager import EagerStepper
from dnc.training.engine import Engine, machine_name, select_engine
from dnc.training.loop import run_epoch, train

NO_DEVICE = "no CUDA device: not measured"
EPOCHS = 4  # of the trainings that are compared
CURVE_TOLERANCE = 0.05  # of the losses, relative: rounding grows from step to step
ACCURACY_TOLERANCE = 0.05  # of the accuracies: other random numbers, or fewer digits
EXACT_TOLERANCE = 1e-4  # of what is one step of arithmetic away: augmented images, logits relative to their largest
NETWORKS = {
    "8 layers, 32 to 256": CNN((32, 32, 64, 64, 128, 128, 256, 256), pools=(2, 4, 6), batchnorm=tuple(range(1, 9))),
    "8 layers, with dropout": CNN(
        (32, 32, 64, 64, 128, 128, 256, 256), pools=(2, 4, 6), batchnorm=tuple(range(1, 9)), dropout=(0.1,) + (0.3,) * 7
    ),
    "4 layers, 16 to 64": CNN((16, 32, 48, 64), pools=(2,), batchnorm=(1, 2, 3, 4)),
    "14 layers, 64 to 512": CNN(
        (64, 64, 64, 64, 128, 128, 128, 128, 256, 256, 512, 512, 512, 512),
        pools=(4, 8, 10),
        batchnorm=tuple(range(1, 15)),
        shortcuts=(1, 5, 9),
    ),
}
BATCHES = (64, 256)


@dataclass(frozen=True)
class Check:
    """A comparison: the largest deviation that was found, and what is allowed."""

    name: str
    deviation: float
    allowed: float

    @property
    def ok(self) -> bool:
        """Whether it agrees; NaN does not."""
        return self.deviation <= self.allowed

    def __str__(self) -> str:
        verdict = "ok" if self.ok else "DIFFERS"
        return f"| {self.name} | {self.deviation:.2g} | {self.allowed:.2g} | {verdict} |"


@dataclass(frozen=True)
class EpochTimes:
    """Seconds of an epoch in rounds: the plain way, with the engine, and with CUDA graphs, next to each other."""

    name: str
    plain: tuple[float, ...]
    engine: tuple[float, ...]
    graphs: tuple[float, ...]

    def __str__(self) -> str:
        ways = (self.plain, self.engine, self.graphs)
        seconds = (f"{statistics.median(way):.3f}" for way in ways)
        ratios = (statistics.median(a / b for a, b in zip(self.plain, way, strict=True)) for way in ways[1:])
        return f"| {self.name} | {' | '.join(seconds)} | {' | '.join(f'{r:.2f}' for r in ratios)} |"


# ---- correctness ------------------------------------------------------------------------------------------------


def striped(n: int, augment: bool = False, side: int = 16) -> Dataset:
    """Images of noise with a bright row that tells the class: learned within an epoch or two."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 4
    x = rng.integers(0, 120, (n, 3, side, side))
    x[np.arange(n), :, y * side // 4] += 130
    return Dataset.from_arrays(x.astype(np.uint8), y, augment=augment, layout="NCHW")


def subjects() -> dict[str, Architecture]:
    """Networks without dropout: its random numbers differ between devices, the rest must agree."""
    return {
        "MLP": MLP((32,), drop=0.0),
        "CNN": CNN((8, 12, 12), pools=(1,), batchnorm=(1, 2, 3), shortcuts=(1,)),
        "CNN, strides": CNN((8, 12, 12), strides=(1,), batchnorm=(1, 2, 3)),
    }


def compare_curves(first: Engine, second: Engine, data: Dataset) -> list[Check]:
    """Learning curves of the same configs on two engines: both losses and the accuracy of every epoch."""
    checks = []
    for name, arch in subjects().items():
        config = Config(arch, Training(lr=2e-3, batch_size=32))
        a, b = (train(config, data, EPOCHS, 0, engine).curve for engine in (first, second))
        losses = [
            (getattr(p, key), getattr(q, key)) for p, q in zip(a, b, strict=True) for key in ("train_loss", "val_loss")
        ]
        checks.append(
            Check(f"{name}: losses, relative", max(abs(x - y) / max(x, 0.1) for x, y in losses), CURVE_TOLERANCE)
        )
        accuracy = max(abs(p.val_acc - q.val_acc) for p, q in zip(a, b, strict=True))
        checks.append(Check(f"{name}: validation accuracy", accuracy, ACCURACY_TOLERANCE))
    return checks


def compare_accuracy(first: Engine, second: Engine, data: Dataset) -> Check:
    """Best accuracy with dropout and augmentation, where the devices draw other random numbers."""
    arch = CNN((12, 16, 24), pools=(1,), batchnorm=(1, 2, 3), dropout=(0.0, 0.1, 0.2))
    config = Config(arch, Training(lr=5e-3, batch_size=32))
    a, b = (train(config, data, 2 * EPOCHS, 0, engine).val_acc for engine in (first, second))
    return Check(f"CNN with dropout, {second.dtype}: best accuracy ({a:.1%}, {b:.1%})", abs(a - b), ACCURACY_TOLERANCE)


def compare_augmentation(first: Engine, second: Engine, data: Dataset) -> Check:
    """The same images augmented on both devices by the draws of one CPU generator."""
    assert data.augment is not None
    x = torch.from_numpy(data.x_train[:256])
    a, b = (
        Augmenter(data.augment, e.device)(x.to(e.device), torch.Generator().manual_seed(0)).cpu()
        for e in (first, second)
    )
    return Check("augmented images", float((a - b).abs().max()), EXACT_TOLERANCE)


def compare_predictions(first: Engine, second: Engine, data: Dataset) -> Check:
    """Logits of one trained network on both devices."""
    config = Config(subjects()["CNN"], Training(lr=2e-3, batch_size=32))
    model = train(config, data, 1, 0, first, keep_weights=True).model
    assert model is not None
    a, b = (predict_logits(model, data.x_val, engine) for engine in (first, second))
    # convolutions on a GPU round their inputs to 10 bits (TF32) unless it is forbidden
    allowed = EXACT_TOLERANCE if second.device == first.device else 1e-2
    return Check("logits of one network, relative", float(np.abs(a - b).max() / np.abs(a).max()), allowed)


def compare_graphs(engine: Engine, data: Dataset, capture: Capture = cuda_graph) -> Check:
    """Train losses of epochs launched step by step and replayed, with dropout and two learning rates."""
    arch = CNN((12, 16, 24), pools=(1,), batchnorm=(1, 2, 3), dropout=(0.0, 0.1, 0.2))
    config = Config(arch, Training(lr=5e-3, batch_size=32))
    launched, replayed = (EagerStepper(config, data, engine, 0) for _ in range(2))
    graphed = GraphedStepper(replayed, capture)
    losses = [[run_epoch(s, k, 5e-3 / (k + 1)).train_loss for k in range(2)] for s in (launched, graphed)]
    worst = max(abs(a - b) / max(a, 0.1) for a, b in zip(*losses, strict=True))
    return Check(f"CUDA graphs, {engine.dtype}: losses, relative", worst, CURVE_TOLERANCE)


def correctness(first: Engine, second: Engine, best: Engine, n: int = 1600) -> list[Check]:
    """All comparisons: `first` against `second` (both float32), and against `best`, the second device's default."""
    data, augmented = striped(n), striped(n, augment=True)
    return [
        *compare_curves(first, second, data),
        compare_augmentation(first, second, augmented),
        compare_predictions(first, second, data),
        compare_accuracy(first, best, augmented),
    ]


def checks_table(checks: Sequence[Check]) -> str:
    """All comparisons as a table."""
    return "\n".join(["| what | deviation | allowed | |", "|---|---|---|---|", *map(str, checks)])


# ---- speed ------------------------------------------------------------------------------------------------------


def epochs_of(config: Config, data: Dataset, engine: Engine, capture: Capture = cuda_graph) -> list[Callable[[], None]]:
    """Functions that train one epoch: the plain way, with the engine, with CUDA graphs; each waits for the device."""
    baseline = Baseline(config, data, device=engine.device)
    unseen = replace(data, x_val=data.x_val[:0], y_val=data.y_val[:0])
    launched, replayed = (EagerStepper(config, unseen, engine, seed=0) for _ in range(2))
    graphed = GraphedStepper(replayed, capture)

    def plain() -> None:
        baseline.epoch()

    def own() -> None:
        run_epoch(launched, 0, config.training.lr)

    def graphs() -> None:
        run_epoch(graphed, 0, config.training.lr)

    return [plain, own, graphs]


def epoch_times(
    name: str,
    ways: Sequence[Callable[[], None]],
    rounds: int,
    now: Callable[[], float] = time.perf_counter,
    wait: Callable[[], None] = lambda: None,
) -> EpochTimes:
    """Time the ways in turns, after a round that warms up.

    Args:
        ways: the plain way, the engine's, and that of CUDA graphs.
        now: the clock.
        wait: returns when the device has nothing left to do.
    """
    columns: list[list[float]] = [[] for _ in ways]
    for number in range(rounds + 1):
        for way, column in zip(ways, columns, strict=True):
            wait()
            started = now()
            way()
            wait()
            if number:
                column.append(now() - started)
    return EpochTimes(name, *map(tuple, columns))


def random_images(n: int, augment: bool) -> Dataset:
    """CIFAR-10's shapes with random bytes: the time of an epoch does not depend on them."""
    x = np.random.default_rng(0).integers(0, 256, (n + n // 10, 3, 32, 32), dtype=np.uint8)
    return Dataset.from_arrays(x, np.arange(len(x)) % 10, augment=augment, layout="NCHW", val_fraction=1 / 11)


def speed_table(
    engine: Engine, rounds: int, images: int, show: Callable[[str], None], capture: Capture = cuda_graph
) -> None:
    """Epochs of several networks and batch sizes, in memory and augmented."""
    columns = ("plain (s)", f"{engine.id} (s)", "CUDA graphs (s)", "times faster", "times faster, graphs")
    show(f"| network, batch, data ({images:,} images of 32x32) | {' | '.join(columns)} |")
    show("|---" * (1 + len(columns)) + "|")
    for augment in (False, True):
        data = random_images(images, augment)
        for name, arch in NETWORKS.items():
            for batch in BATCHES:
                ways = epochs_of(Config(arch, Training(batch_size=batch)), data, engine, capture)
                kind = "augmented" if augment else "in memory"
                # the plain way augments image by image, seconds an epoch: two rounds tell enough
                times = epoch_times(
                    f"{name}, {batch}, {kind}", ways, min(rounds, 2) if augment else rounds, wait=settle
                )
                show(str(times))


def settle() -> None:
    """Wait for the GPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


# ---- a search ---------------------------------------------------------------------------------------------------


def search_report(images: int, epochs: int, device: Device) -> str:
    """A CNN search of CIFAR-10: what it found and what it took, or why it could not be run."""
    try:
        data = dnc.load_data("cifar10", n_train=images, n_val=max(1, images // 4), augment=True, download=False)
    except DataError as error:
        return f"search of CIFAR-10 left out: {error}"
    space = dnc.CNNSpace(conv_layers=(4, 8), max_channels=256)
    started = time.perf_counter()
    result = dnc.search(
        data, space, wc=0.1, epochs=epochs, n1=5, n2=5, n3=1000, seed=0, workers=0, device=device, progress=False
    )
    seconds = time.perf_counter() - started
    budget = f"{data.n_train:,} images, augmented, {epochs} epochs, n1=5 n2=5 n3=1000, w_c=0.1"
    return f"CNN search of CIFAR-10 ({budget}): {seconds:.0f} s, {len(result.visits)} steps\n{result.best}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--search-images", type=int, default=10_000)
    parser.add_argument("--search-epochs", type=int, default=5)
    o = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print(NO_DEVICE)
        return 0
    best = select_engine("cuda", family="cnn")
    print(f"{machine_name(best)}, torch {torch.__version__}, CUDA {torch.version.cuda}\n")
    checks = correctness(Engine(), Engine("cuda"), best)
    checks.append(compare_graphs(best, striped(1600, augment=True)))
    print(checks_table(checks), flush=True)
    print()
    speed_table(best, o.rounds, o.images, lambda line: print(line, flush=True))
    print()
    print(search_report(o.search_images, o.search_epochs, "cuda"))
    return 0 if all(check.ok for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
