"""Data sets as arrays: named sets, `.npz` files and arrays in memory, with splits and a fingerprint.

In the order in which one needs them:

    dataset       `Dataset`, what searches and trainings get, and `from_arrays`
    foreign       tables, tensors, sparse matrices and objects as numpy arrays
    arrays        inputs from outside, made clean
    preprocessing what is done to samples before a network sees them, in training and prediction
    labels        labels from outside as numbers from 0, and the names of the classes
    splits        seeded, stratified splits and subsets
    augment       what augmentation is to do, as plain data
    augmenter     does it, in batches; the only file here that needs torch
    loading       `load_data`, and where the files are
    named_sets    the table of named sets
    readers       idx and `.npz` files
    samples       samples without labels, to predict with
    cifar         CIFAR's official batches
    plain_pickle  the plain data in a pickle, without unpickling it
    rcv1          how the set is made of Reuters RCV1
    download      fetches what torchvision knows
"""

from __future__ import annotations

from dnc.data.dataset import Augment, Dataset
from dnc.data.loading import DatasetInfo, data_root, datasets, load_data
from dnc.data.named_sets import DATASETS
from dnc.data.samples import read_samples

__all__ = ["DATASETS", "Augment", "Dataset", "DatasetInfo", "data_root", "datasets", "load_data", "read_samples"]
