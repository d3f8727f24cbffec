"""The numbers of trainings and searches as hashes: a change of the code that must not change results leaves them alone.

    python tools/bits.py >before.txt        # then change the code
    python tools/bits.py | diff before.txt -

Twenty trainings of each engine (weights, losses and accuracies) and the steps of three small searches, with what their
models expected. Times are left out: they differ from run to run.
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
CNNS: dict[str, list[Any]] = {
    "channels": [(8,), (6, 12), (16, 16, 24), (5, 10, 20, 20)],
    "strides": [(), (2,)],
    "pools": [(), (1,)],
    "activation": ["relu", "tanh"],
}


def main() -> None:
    """Print a line for each engine and search."""
    data = dnc.load_data("digits", n_train=500, n_val=200)
    for engine in (Engine(kind=kind, dtype=t) for kind in ("direct", "eager") for t in ("float32", "bfloat16")):
        family = mlps() if engine.kind == "direct" else cnns()
        print(engine.id, digest(trained(config, data, engine) for config in family))
    for name, space, arguments in SEARCHES:
        result = dnc.search(
            data, space, penalty="n_params", epochs=3, n1=4, n2=4, n3=100, workers=0, progress=False, **arguments
        )
        print(name, result.id, digest(steps(result)))


def mlps() -> list[Config]:
    """Twenty perceptrons, narrow and wide ones."""
    rng = np.random.default_rng(0)
    shapes = [tuple(int(n) for n in rng.integers(8, 400, size=i % 4)) for i in range(TRAININGS)]
    activations = ["relu", "gelu", "relu", "elu"]
    return [
        Config(MLP(hidden, drop=0.1 * (i % 3), activation=activations[i % 4]), Training(1e-3, 1e-5 * i, 32 + 16 * i))
        for i, hidden in enumerate(shapes)
    ]


def cnns() -> list[Config]:
    """Twenty networks with and without each kind of layer."""
    found = []
    for i in range(TRAININGS):
        channels = CNNS["channels"][i % 4]
        n = len(channels)
        arch = CNN(
            channels,
            strides=tuple(layer for layer in CNNS["strides"][i % 2] if layer <= n),
            pools=CNNS["pools"][i // 2 % 2],
            batchnorm=tuple(range(1, n + 1, 1 + i % 3)),
            dropout=tuple(0.1 * ((i + k) % 3) for k in range(n)),
            shortcuts=(1,) if i % 5 else (),
            activation=CNNS["activation"][i // 8 % 2],
        )
        found.append(Config(arch, Training(3e-3, 1e-5 * (i % 4), 40 + 9 * i)))
    return found


def trained(config: Config, data: dnc.Dataset, engine: Engine) -> str:
    """The weights and the learning curve of one training, as text."""
    seen = data.flatten() if engine.kind == "direct" else data
    outcome = train(config, seen, EPOCHS, 1, engine, keep_weights=True)
    assert outcome.model is not None
    weights = b"".join(p.detach().float().numpy().tobytes() for p in outcome.model.state_dict().values())
    curve = [(e.train_loss, e.val_loss, e.val_acc) for e in outcome.curve]
    return f"{hashlib.sha256(weights).hexdigest()} {curve!r}"


def steps(result: dnc.SearchResult) -> Iterable[str]:
    """Each step of a search, as text."""
    for visit in result.visits:
        t = visit.trial
        yield repr((
            visit.stage, visit.substage, visit.step, t.config.to_json(), str(t.status), t.reason, t.val_acc, t.n_params,
            t.key, visit.mu, visit.sigma, visit.ei, [(e.train_loss, e.val_loss, e.val_acc) for e in t.curve],
        ))  # fmt: skip


def digest(texts: Iterable[str]) -> str:
    """One hash of all texts."""
    total = hashlib.sha256()
    for text in texts:
        total.update(text.encode() + b"\n")
    return total.hexdigest()[:24]


SEARCHES: tuple[tuple[str, Any, dict[str, Any]], ...] = (
    ("mlp-paper", dnc.MLPSpace(hidden_layers=(0, 2), nodes=(8, 64)), {"wc": 0.1, "seed": 1}),
    ("cnn-paper", dnc.CNNSpace(conv_layers=(2, 4), first_channels=(4, 8), max_channels=16), {"wc": 0.5}),
    (
        "mlp-fast",
        dnc.MLPSpace(hidden_layers=(0, 2), nodes=(8, 64)),
        {"wc": 1.0, "seed": 2, "method": "fast", "batch": 2, "early_stop": True},
    ),
)


if __name__ == "__main__":
    main()
