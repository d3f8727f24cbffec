"""A search of seconds on the embedded digits, for several test files."""

from __future__ import annotations

import math

import dnc
from dnc.searches.result import SearchResult

SPACE = dnc.MLPSpace(hidden_layers=(0, 2), nodes=(4, 32))


def tiny(**changes) -> SearchResult:
    arguments = {"wc": 0.1, "epochs": 2, "n1": 3, "n2": 2, "n3": 50, "workers": 0, "progress": False, **changes}
    data = arguments.pop("data") if "data" in arguments else dnc.load_data("digits", n_train=300, n_val=150)
    return dnc.search(data, arguments.pop("space", SPACE), **arguments)


def numbers(result: SearchResult) -> list[tuple]:
    """Everything of a search that must be bit-identical."""
    return [
        (v.stage, v.step, v.substage, v.trial.config, v.trial.val_acc, v.trial.t_tr, v.trial.curve and [
            (e.train_loss, e.val_loss, e.val_acc) for e in v.trial.curve
        ], v.mu if math.isfinite(v.mu) else None, v.sigma if math.isfinite(v.sigma) else None)
        for v in result.visits
    ]  # fmt: skip
