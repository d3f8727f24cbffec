"""Save a trained network to a folder, and load it again without trusting the files."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dnc.config import Config, canonical_json
from dnc.errors import ArgumentError, DncError, short_repr
from dnc.files import replacing, user_path
from dnc.networks.build import Network, skeleton
from dnc.networks.params import count_params

WEIGHTS, DESCRIPTION = "weights.pt", "config.json"  # the two files of a saved model
FORMAT = 1
MAX_DESCRIPTION = 16 * 2**20  # bytes of config.json that are read
FLOAT_BYTES = 4


class ModelError(DncError):
    """A saved model that cannot be written, or is missing, damaged or not what it says."""


class SavedNetwork(NamedTuple):
    """What was saved: the network in evaluation mode on the CPU, its config, and the notes that were kept with it."""

    network: Network
    config: Config
    meta: dict[str, Any]


def save_network(folder: str | os.PathLike[str], network: Network, config: Config, meta: Mapping[str, Any]) -> Path:
    """Write `weights.pt` and `config.json` into `folder`, which is made if it is not there.

    Args:
        folder: where to.
        network: a network of `build`.
        config: its config.
        meta: notes, plain data (JSON), which `load_network` gives back.

    Raises:
        ArgumentError: `meta` is not plain data, or the config is not this network's.
        ModelError: the folder cannot be written.
    """
    path = user_path("folder", folder)
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    shape, n_classes = network.input_shape, network.classifier.out_features
    if _shapes(weights) != _shapes(skeleton(config.arch, shape, n_classes).state_dict()):
        raise ArgumentError(
            f"config={short_repr(str(config))} does not describe this network: give the config it was built from"
        )
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    description = {
        "format": FORMAT,
        "config": config.to_dict(),
        "input_shape": list(shape),
        "n_classes": n_classes,
        "weights_sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
        "meta": dict(meta),
    }
    try:
        text = canonical_json(description)
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"meta={short_repr(meta)} is not plain data: give text, finite numbers, lists and dicts"
        ) from error
    try:
        path.mkdir(parents=True, exist_ok=True)
        for name, content in ((WEIGHTS, buffer.getvalue()), (DESCRIPTION, text.encode())):
            with replacing(path / name) as part:
                part.write_bytes(content)
    except OSError as error:
        raise ModelError(f"the model cannot be saved in {short_repr(str(path))}: {error.strerror or error}") from error
    return path


def load_network(folder: str | os.PathLike[str]) -> SavedNetwork:
    """The network that `save_network` wrote. Only tensors and plain data are read: no file can run code.

    Raises:
        ModelError: a file is missing, damaged, or not what `save_network` writes.
    """
    path = user_path("folder", folder)
    where = short_repr(str(path))
    for file in (path / DESCRIPTION, path / WEIGHTS):
        user_path(file.name, file, ModelError)  # no pipe, no device: reading it might never end
    try:
        with open(path / DESCRIPTION, "rb") as file:
            text = file.read(MAX_DESCRIPTION + 1)
        weights = (path / WEIGHTS).read_bytes()
    except FileNotFoundError as error:
        name = Path(str(error.filename)).name
        raise ModelError(f"no saved model in {where}: {name} is missing; give a folder that save() wrote") from error
    except OSError as error:
        raise ModelError(f"the model in {where} cannot be read: {error.strerror or error}") from error
    config, shape, n_classes, digest, meta = _parse_description(text, where)
    if hashlib.sha256(weights).hexdigest() != digest:
        raise ModelError(
            f"{WEIGHTS} in {where} is damaged or from another model: its checksum is wrong; save the model again"
        )
    # A description must not ask for more memory than its weights file can fill: that is checked before anything is
    # built, as building a huge network takes long even without memory for its weights.
    try:
        needed = FLOAT_BYTES * count_params(config.arch, shape, n_classes)
        network = skeleton(config.arch, shape, n_classes) if needed <= len(weights) else None
    except ArgumentError as error:
        raise ModelError(f"{DESCRIPTION} in {where} describes an impossible network: {error}") from error
    state = None if network is None else _read_tensors(weights)
    if network is None or state is None or _shapes(state) != _shapes(network.state_dict()):
        raise ModelError(
            f"{WEIGHTS} in {where} does not hold the weights that {DESCRIPTION} describes; save the model again"
        )
    network.load_state_dict({name: value.contiguous() for name, value in state.items()}, assign=True)
    return SavedNetwork(network.eval(), config, meta)


def _parse_description(text: bytes, where: str) -> tuple[Config, list[int], int, str, dict[str, Any]]:
    """Checked content of config.json: config, input shape, number of classes, checksum of the weights, meta."""
    try:
        if len(text) > MAX_DESCRIPTION:
            raise ValueError("it is too long")
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ValueError(f"it is not of format {FORMAT}")
        config, meta = Config.from_dict(data["config"]), data["meta"]
        if not isinstance(data["input_shape"], list) or not isinstance(meta, dict):
            raise ValueError("its parts have the wrong types")
        return config, data["input_shape"], data["n_classes"], data["weights_sha256"], meta
    except (KeyError, TypeError, ValueError, RecursionError, ArgumentError) as error:
        raise ModelError(
            f"{DESCRIPTION} in {where} is damaged or was not written by dnc: {short_repr(str(error), 200)}"
        ) from error


def _read_tensors(weights: bytes) -> dict[str, Tensor] | None:
    """The tensors in a weights file; None if it holds anything else."""
    try:
        state = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
    except Exception:  # torch does not say which exceptions a bad file raises
        return None
    dense = isinstance(state, dict) and all(isinstance(v, Tensor) and v.layout == torch.strided for v in state.values())
    return state if dense else None


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (value.shape, value.dtype) for name, value in state.items()}
