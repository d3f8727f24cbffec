"""Random bits for dropout at the speed of an addition.

torch's generator makes one word after the other, which for the masks of a CNN takes longer than everything else that
dropout does. An additive lagged Fibonacci generator, x[n] = x[n - LAG] + x[n - TAP] modulo 2^64, makes whole blocks of
words by a vectorized addition. Its first words come from torch's generator.
"""

from __future__ import annotations

import torch
from torch import Tensor

_aten = torch.ops.aten

LAG, TAP = 9689, 5502  # x^LAG + x^TAP + 1 is a primitive trinomial: the period is above 2^LAG

INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # integers with as many bytes as a float


class RandomBits:
    """A stream of random 64-bit words.

    Args:
        generator: where the first words come from.
        capacity: largest number of words per draw.
    """

    def __init__(self, generator: torch.Generator, capacity: int) -> None:
        self._words = torch.empty(LAG + capacity, dtype=torch.int64)  # the last LAG words, then those of the draw
        # [-2^63, end) is the only range of random_ that makes all 64 bits random
        self._words[:LAG].random_(-(2**63), None, generator=generator)
        self._drawn = 0
        self._blocks: dict[int, list[tuple[Tensor, Tensor, Tensor]]] = {}  # views of them for each length of a draw

    def draw(self, n: int) -> None:
        """Put the next n words into `memory(n)`."""
        words = self._words
        if self._drawn:
            last = words[self._drawn : self._drawn + LAG]
            words[:LAG] = last if self._drawn >= LAG else last.clone()  # the two ranges overlap after a short draw
        if n not in self._blocks:
            # in blocks of TAP words, the nearer lag, so that no block needs words of its own
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
        """The memory (n,) that a draw of n words fills."""
        return self._words[LAG : LAG + n]


class DropoutMask:
    """Dropout of one tensor in place, without the scale.

    Args:
        random_bits: where the bits come from; as many as the tensor's elements have.
        values: the tensor, dense in memory.
        threshold: an element is dropped if the highest byte of its bits is below (`drop_threshold`).
    """

    def __init__(self, random_bits: RandomBits, values: Tensor, threshold: int) -> None:
        self._random_bits, size = random_bits, values.element_size()
        self._n_words = words_for(values)
        bits = random_bits.memory(self._n_words).view(INTEGERS[size])
        self._bits = bits.as_strided(values.shape, values.stride(), bits.storage_offset())
        self._drawn = self._bits
        # Bits are compared as signed integers, of which the smallest is -2^(8 size - 1): the largest one that drops.
        self._largest_dropped = (threshold << (8 * size - 8)) - (1 << (8 * size - 1)) - 1

    def draw(self, keep: bool = False) -> None:
        """Choose what is dropped; `keep` the choice beyond the next draw from the same bits, for the backward pass."""
        self._random_bits.draw(self._n_words)
        self._drawn = self._bits.clone() if keep else self._bits

    def drop(self, values: Tensor) -> None:
        """Set the chosen elements to zero; `values` are the tensor's seen as integers."""
        # the kernel of ReLU's gradient compares and selects in a single pass, in place and without a mask in memory
        _aten.threshold_backward.grad_input(values, self._drawn, self._largest_dropped, grad_input=values)


def words_for(values: Tensor) -> int:
    """The number of 64-bit words with at least as many bits as the tensor.

    >>> words_for(torch.zeros(3, dtype=torch.float32))
    2
    """
    return (values.numel() * values.element_size() + 7) // 8
