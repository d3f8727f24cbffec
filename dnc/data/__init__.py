"""Data sets as arrays: named sets, `.npz` files and arrays in memory, with splits and a fingerprint.

Nothing here imports torch; the batched augmentation that does is `dnc.data.augment`.
"""

from __future__ import annotations

from dnc.data.dataset import Augment, Dataset
from dnc.data.registry import DATASETS, DatasetInfo, data_root, datasets, load_data

__all__ = ["DATASETS", "Augment", "Dataset", "DatasetInfo", "data_root", "datasets", "load_data"]
