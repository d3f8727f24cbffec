"""Certified pruning: do not train what cannot win.

f >= w_c c / c_0, since the error is never negative, and c is known before any training: N_p at once, t_tr after its
timing. A config whose bound exceeds the best f so far cannot win even with perfect accuracy. For a fixed list of
candidates the winner is therefore exactly the one that training all of them would give.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence


class Pruning:
    """Decides which of n candidates are trained. Cheap ones come first, as they rule out the most.

    Which candidates count as pruned is a function of the bounds, the f values and the incumbent alone: it is settled
    in the order of the bounds, whatever finishes first. A candidate that was trained although an earlier one, still
    running then, rules it out, counts as pruned.

    Args:
        bounds: w_c c / c_0 of each candidate, a lower bound of its f.
        incumbent: the best f of the search before.
    """

    def __init__(self, bounds: Sequence[float], incumbent: float = float("inf")) -> None:
        self._bounds = list(bounds)
        self._order = sorted(range(len(bounds)), key=lambda i: (bounds[i], i))
        self._finished: dict[int, float] = {}
        self._best = incumbent  # over what has finished, in any order
        self._settled_best = incumbent  # over what is settled, in order
        self._place = 0

    def to_train(self) -> Iterator[int]:
        """Indices to train, each decided when it is asked for."""
        for index in self._order:
            if self._bounds[index] <= self._best:
                yield index

    def finish(self, index: int, f: float) -> None:
        """Candidate `index` has been trained and has this f (infinity if it failed)."""
        self._finished[index] = f
        self._best = min(self._best, f)

    def settle(self) -> Iterator[tuple[int, bool]]:
        """(index, pruned) of the candidates that are decided since the last call, in the order of the bounds."""
        while self._place < len(self._order):
            index = self._order[self._place]
            pruned = self._bounds[index] > self._settled_best
            if not pruned:
                if index not in self._finished:
                    return
                self._settled_best = min(self._settled_best, self._finished[index])
            self._place += 1
            yield index, pruned
