"""Saved models: round trip, and files that are missing, damaged or hostile."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dnc.config import CNN, MLP, Config
from dnc.errors import ArgumentError, DncError
from dnc.models.predict import predict_logits
from dnc.models.saving import DESCRIPTION, WEIGHTS, ModelError, load_network, save_network
from dnc.networks.build import build
from dnc.training.engine import Engine

CONFIG = Config(CNN(channels=(4, 6), pools=(1,), batchnorm=(1,), dropout=(0.2, 0.2)))
SHAPE = (1, 6, 6)


def saved(folder: Path) -> Path:
    return save_network(folder, build(CONFIG.arch, SHAPE, 3, seed=0), CONFIG, {"classes": ["a", "b", "c"]})


def rewrite(folder: Path, **changes: Any) -> None:
    """Change config.json; a new weights file gets its right checksum, as an attacker would do."""
    path = folder / DESCRIPTION
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"weights_sha256": digest} | changes))


@pytest.mark.parametrize("config", [CONFIG, Config(MLP(hidden=(5,), drop=0.1))], ids=["cnn", "mlp"])
def test_round_trip(tmp_path: Path, config: Config) -> None:
    model = build(config.arch, SHAPE, 3, seed=0)
    meta = {"name": "ünï", "mean": [0.1, 0.2], "nested": {"n": 3, "none": None}}
    folder = save_network(tmp_path / "a" / "b", model, config, meta)
    assert sorted(p.name for p in folder.iterdir()) == [DESCRIPTION, WEIGHTS]
    loaded = load_network(folder)
    assert (loaded.config, loaded.meta) == (config, meta)
    assert loaded.network.input_shape == SHAPE
    assert not loaded.network.training
    assert all(p.requires_grad for p in loaded.network.parameters())
    x = np.random.default_rng(0).integers(0, 256, (9, *SHAPE), dtype=np.uint8)
    assert np.array_equal(predict_logits(loaded.network, x, Engine()), predict_logits(model, x, Engine()))
    save_network(folder, loaded.network, config, {})  # over the old one
    assert load_network(folder).meta == {}


def one_line(error: pytest.ExceptionInfo[DncError]) -> bool:
    return "\n" not in str(error.value)


@pytest.mark.parametrize("name", [WEIGHTS, DESCRIPTION])
def test_missing_files(tmp_path: Path, name: str) -> None:
    (saved(tmp_path) / name).unlink()
    with pytest.raises(ModelError, match=f"{name} is missing") as error:
        load_network(tmp_path)
    assert one_line(error)
    with pytest.raises(ModelError, match="no saved model"):
        load_network(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-40], lambda b: b"", lambda b: b[:200] + bytes([b[200] ^ 1]) + b[201:]]
)
def test_damaged_weights(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = saved(tmp_path) / WEIGHTS
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelError, match="checksum"):
        load_network(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"format": 2}', '{"format": 1}', "[" * 100_000, "\x00\xff", '{"format": 1, "config": {}}'],
)
def test_damaged_descriptions(tmp_path: Path, text: str) -> None:
    (saved(tmp_path) / DESCRIPTION).write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match="damaged or was not written by dnc") as error:
        load_network(tmp_path)
    assert one_line(error)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_shape": [1, 0, 6]}, "describes an impossible network"),
        ({"input_shape": [36]}, "describes an impossible network"),
        ({"input_shape": "x"}, "damaged"),
        ({"n_classes": "many"}, "describes an impossible network"),
        ({"n_classes": 10**30}, "describes an impossible network"),
        ({"n_classes": 4}, "does not hold the weights"),
        ({"meta": []}, "damaged"),
        (
            {"config": Config(CNN(channels=(100_000,) * 1000)).to_dict()},
            "does not hold the weights",
        ),
        ({"config": Config(CNN(channels=(4, 5))).to_dict()}, "does not hold the weights"),
        ({"weights_sha256": None}, "checksum"),
    ],
)
def test_descriptions_that_lie(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    rewrite(saved(tmp_path), **changes)
    with pytest.raises(ModelError, match=message) as error:
        load_network(tmp_path)
    assert one_line(error)


class Attack:
    """Unpickling it creates a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


def test_weights_cannot_run_code(tmp_path: Path) -> None:
    folder, target = saved(tmp_path / "model"), tmp_path / "owned"
    good = torch.load(folder / WEIGHTS, weights_only=True)

    def refused() -> None:
        rewrite(folder)
        with pytest.raises(ModelError, match="does not hold the weights"):
            load_network(folder)
        assert not target.exists()

    torch.save(good | {"attack": Attack(target)}, folder / WEIGHTS)
    refused()
    (folder / WEIGHTS).write_bytes(pickle.dumps(Attack(target)) + bytes(10_000))
    refused()
    doubles = {name: value.double() for name, value in good.items()}
    sparse = {name: value.to_sparse() for name, value in good.items()}
    for wrong in ([1], {}, {**good, "extra": torch.zeros(1)}, {**good, "classifier.bias": 1}, doubles, sparse):
        torch.save(wrong, folder / WEIGHTS)
        refused()


def test_nothing_is_written_outside_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    folder = tmp_path / "model"
    folder.mkdir()
    for name in (WEIGHTS, DESCRIPTION):
        (folder / name).symlink_to(outside)
    saved(folder)
    assert outside.read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model", "outside.txt"]
    assert load_network(folder).config == CONFIG


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    model = build(CONFIG.arch, SHAPE, 3, seed=0)
    for meta in ({"x": float("nan")}, {"x": object()}):
        with pytest.raises(ArgumentError, match="is not plain data"):
            save_network(tmp_path / "a", model, CONFIG, meta)
    with pytest.raises(ArgumentError, match="does not describe this network"):
        save_network(tmp_path / "a", model, Config(CNN(channels=(4, 7))), {})
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match=re.escape("cannot be saved")):
        save_network(tmp_path / "file", model, CONFIG, {})
