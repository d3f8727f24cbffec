"""What a search may vary, and the presets for what it does not.

Every number is a field with the paper's value as its default (Sec. 3; where the paper is silent, its authors' code).
In the order in which one needs them:

    cnn, mlp     the two architecture spaces (Sec. 3.1, 3.2): fields, presets, Stage 2's grids
    training     Stage 3's space: learning rate, weight decay, batch size
    domains      Stage 1 as optimizers see it: from the unit cube to networks
    placement    which layers get batch normalization, dropout, down-sampling and shortcuts
    base         what both architecture spaces share
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dnc.config import from_fields
from dnc.errors import ArgumentError, check_choice, short_repr
from dnc.space.base import Substage
from dnc.space.cnn import CNNSpace
from dnc.space.mlp import MLPSpace
from dnc.space.training import TrainingSpace

__all__ = ["CNNSpace", "MLPSpace", "Space", "Substage", "TrainingSpace", "space_from_dict"]

Space = CNNSpace | MLPSpace


def space_from_dict(data: Mapping[str, Any]) -> Space:
    """The space that `to_dict` described; fields that are left out have their defaults.

    Raises:
        ArgumentError: it is not such a description.

    >>> space_from_dict({"family": "mlp", "nodes": [10, 50]}) == MLPSpace(nodes=(10, 50))
    True
    """
    families = {"cnn": CNNSpace, "mlp": MLPSpace}
    if not isinstance(data, Mapping) or "family" not in data:
        raise ArgumentError(f"space={short_repr(data)} is not a space: it needs 'family' and the fields of the space")
    values = {name: value for name, value in data.items() if name != "family"}
    if "training" in values:
        values["training"] = from_fields(TrainingSpace, values["training"])
    return from_fields(families[check_choice("family", data["family"], families)], values)
