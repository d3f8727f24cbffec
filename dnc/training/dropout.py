"""Random bits for dropout at the speed of an addition.

torch's generator makes one word after the other, which for the masks of a CNN takes longer than all else that dropout
does. An additive lagged Fibonacci generator, x[n] = x[n - LAG] + x[n - TAP] modulo 2^64, makes whole blocks by one
vectorised addition. Its first words come from torch's generator.
"""

from __future__ import annotations

import torch
from torch import Tensor

_aten = torch.ops.aten

LAG, TAP = 9689, 5502  # x^LAG + x^TAP + 1 is a primitive trinomial: the period is above 2^LAG

INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # by the bytes of an element


class RandomBits:
    """A stream of random 64-bit words.

    Args:
        generator: where the first words come from.
        capacity: largest number of words of a draw.
    """

    def __init__(self, generator: torch.Generator, capacity: int) -> None:
        self._words = torch.empty(LAG + capacity, dtype=torch.int64)  # the last LAG words, then those of a draw
        # [-2^63, end) is the only range of random_ that makes all 64 bits random
        self._words[:LAG].random_(-(2**63), None, generator=generator)
        self._drawn = 0
        self._blocks: dict[int, list[tuple[Tensor, Tensor, Tensor]]] = {}  # their views for each length of a draw

    def draw(self, n: int) -> None:
        """Put the next n words into `memory(n)`."""
        words = self._words
        if self._drawn:
            last = words[self._drawn : self._drawn + LAG]
            words[:LAG] = last if self._drawn >= LAG else last.clone()  # they may overlap
        if n not in self._blocks:
            starts = range(LAG, LAG + n, TAP)
            stops = [min(start + TAP, LAG + n) for start in starts]
            self._blocks[n] = [
                (words[a - LAG : b - LAG], words[a - TAP : b - TAP], words[a:b])
                for a, b in zip(starts, stops, strict=True)
            ]
        for far, near, out in self._blocks[n]:
            torch.add(far, near, out=out)
        self._drawn = n

    def memory(self, n: int) -> Tensor:
        """Where a draw of n words (n,) is put."""
        return self._words[LAG : LAG + n]


class DropoutMask:
    """Dropout of one tensor in place, without the scale.

    Args:
        noise: where the bits come from.
        values: the tensor, dense in memory.
        threshold: the share threshold / 256 of the elements is dropped.
    """

    def __init__(self, noise: RandomBits, values: Tensor, threshold: int) -> None:
        self._noise, size = noise, values.element_size()
        self._n_words = words_for(values)
        kind = INTEGERS[size]
        bits = noise.memory(self._n_words).view(kind)
        self._bits = bits.as_strided(values.shape, values.stride(), bits.storage_offset())
        self._kept = self._bits
        self._last = (threshold << (8 * size - 8)) - (1 << (8 * size - 1)) - 1  # the largest integer that drops

    def draw(self, keep: bool = False) -> None:
        """Choose what is dropped; `keep` it for a later use than before the next draw of the noise."""
        self._noise.draw(self._n_words)
        self._kept = self._bits.clone() if keep else self._bits

    def drop(self, values: Tensor) -> None:
        """Set what is chosen to zero: `values` are integers of the width and shape of the tensor."""
        _aten.threshold_backward.grad_input(values, self._kept, self._last, grad_input=values)


def words_for(values: Tensor) -> int:
    """64-bit words that hold as many bits as the tensor."""
    return (values.numel() * values.element_size() + 7) // 8
