"""Rows of trainings, for the tests of stores."""

from __future__ import annotations

import json
from typing import Any

from dnc.config import MLP, Config, content_hash
from dnc.searches.archive import Store


def identity(i: int) -> dict[str, Any]:
    return {"data": "d", "config": Config(MLP((i + 1,))).to_dict(), "epochs": 2, "train_seed": 0, "engine": "e"}


def record(i: int, more: int = 0) -> dict[str, Any]:
    curve = json.dumps([[0.5, 0.5, 0.5, 0.1]] * more)
    return {"status": "ok", "reason": "", "val_acc": i / 7, "seconds": 0.5, "curve": curve, "machine": "m"}


def add(store: Store, i: int, more: int = 0) -> str:
    key = content_hash(identity(i))
    store.add_training(key, identity(i), record(i, more))
    return key
