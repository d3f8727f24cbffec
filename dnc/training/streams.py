"""Where the random numbers of a training come from.

Each stream is a function of the training's seed and of what it is for, never of the order of trainings, of the worker,
or of torch's global generator. So a config trains to the same bits wherever and whenever it is trained.
"""

from __future__ import annotations

import torch

from dnc.config import content_hash


def stream_seed(seed: int, *names: str | int) -> int:
    """The seed of the stream `names` in a training with `seed`: 32 bits, all that torch's CPU generator takes in."""
    return int(content_hash([seed, *names])[:8], 16)


def stream(seed: int, *names: str | int, device: str = "cpu") -> torch.Generator:
    """A generator of its own for the stream `names`."""
    return torch.Generator(device).manual_seed(stream_seed(seed, *names))


def shuffled(n: int, seed: int, epoch: int) -> torch.Tensor:
    """The order (n,) of the samples in `epoch`: a function of (n, seed, epoch) only, whatever the config."""
    return torch.randperm(n, generator=stream(seed, "shuffle", epoch))


def batch_bounds(n: int, batch_size: int) -> list[tuple[int, int]]:
    """(start, stop) of each batch in an epoch's order of n samples.

    A last batch of a single sample joins the one before, because batch normalization needs a variance.

    >>> batch_bounds(9, 4)
    [(0, 4), (4, 9)]
    """
    starts = list(range(0, n, batch_size))
    if len(starts) > 1 and n - starts[-1] == 1 < batch_size:
        starts.pop()
    return list(zip(starts, [*starts[1:], n], strict=True))
