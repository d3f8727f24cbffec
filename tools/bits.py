"""Hashes over the results of trainings and searches: a change of the code that must not change results keeps them.

    python tools/bits.py >before.txt        # then change the code
    python tools/bits.py | diff before.txt -

Twenty trainings with each engine (weights, losses and accuracies), and the visits of three small searches with what
their models expected. Times are left out: they differ from run to run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

import dnc
from dnc.config import CNN, MLP, Config, Training
from dnc.training.engine import Engine
from dnc.training.loop import train

TRAININGS, EPOCHS = 20, 2
CHANNELS = ((8,), (6, 12), (16, 16, 24), (5, 10, 20, 20))
SEARCHES: tuple[tuple[str, Any, dict[str, Any]], ...] = (
    ("mlp-paper", dnc.MLPSpace(hidden_layers=(0, 2), nodes=(8, 64)), {"wc": 0.1, "seed": 1}),
    ("cnn-paper", dnc.CNNSpace(conv_layers=(2, 4), first_channels=(4, 8), max_channels=16), {"wc": 0.5}),
    (
        "mlp-fast",
        dnc.MLPSpace(hidden_layers=(0, 2), nodes=(8, 64)),
        {"wc": 1.0, "seed": 2, "method": "fast", "batch": 2, "early_stop": True},
    ),
)


def main() -> None:
    """Print a line for each engine and search."""
    data = dnc.load_data("digits", n_train=500, n_val=200)
    for engine in (Engine(kind=kind, dtype=t) for kind in ("direct", "eager") for t in ("float32", "bfloat16")):
        configs = mlps() if engine.kind == "direct" else cnns()
        print(engine.id, digest(trained(config, data, engine) for config in configs))
    for name, space, arguments in SEARCHES:
        result = dnc.search(
            data, space, penalty="n_params", epochs=3, n1=4, n2=4, n3=100, workers=0, progress=False, **arguments
        )
        print(name, result.id, digest(visits(result)))


def mlps() -> list[Config]:
    """Twenty perceptrons, narrow and wide."""
    rng = np.random.default_rng(0)
    shapes = [tuple(int(n) for n in rng.integers(8, 400, size=i % 4)) for i in range(TRAININGS)]
    activations = ["relu", "gelu", "relu", "elu"]
    return [
        Config(MLP(hidden, drop=0.1 * (i % 3), activation=activations[i % 4]), Training(1e-3, 1e-5 * i, 32 + 16 * i))
        for i, hidden in enumerate(shapes)
    ]


def cnns() -> list[Config]:
    """Twenty convolutional networks, with and without each kind of layer."""
    return [Config(cnn(i), Training(3e-3, 1e-5 * (i % 4), 40 + 9 * i)) for i in range(TRAININGS)]


def cnn(i: int) -> CNN:
    """The i-th of them."""
    channels = CHANNELS[i % 4]
    n = len(channels)
    return CNN(
        channels,
        strides=(2,) if i % 2 and n >= 2 else (),
        pools=(1,) if i // 2 % 2 else (),
        batchnorm=tuple(range(1, n + 1, 1 + i % 3)),
        dropout=tuple(0.1 * ((i + layer) % 3) for layer in range(n)),
        shortcuts=(1,) if i % 5 else (),
        activation="tanh" if i // 8 % 2 else "relu",
    )


def trained(config: Config, data: dnc.Dataset, engine: Engine) -> str:
    """The weights and the learning curve of one training, as text."""
    data = data.flatten() if engine.kind == "direct" else data
    outcome = train(config, data, EPOCHS, 1, engine, keep_weights=True)
    assert outcome.model is not None
    weights = b"".join(p.detach().float().numpy().tobytes() for p in outcome.model.state_dict().values())
    curve = [(point.train_loss, point.val_loss, point.val_acc) for point in outcome.curve]
    return f"{hashlib.sha256(weights).hexdigest()} {curve!r}"


def visits(result: dnc.SearchResult) -> Iterable[str]:
    """Each visit of a search, as text."""
    for visit in result.visits:
        trial = visit.trial
        curve = [(point.train_loss, point.val_loss, point.val_acc) for point in trial.curve]
        place = (visit.stage, visit.substage, visit.step)
        measured = (trial.config.to_json(), str(trial.status), trial.reason, trial.val_acc, trial.n_params, trial.key)
        yield repr((*place, *measured, visit.mu, visit.sigma, visit.ei, curve))


def digest(texts: Iterable[str]) -> str:
    """One hash of all texts."""
    sha = hashlib.sha256()
    for text in texts:
        sha.update(text.encode() + b"\n")
    return sha.hexdigest()[:24]


if __name__ == "__main__":
    main()
