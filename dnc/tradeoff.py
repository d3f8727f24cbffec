"""Trade-offs between error and complexity: the non-dominated trials, who wins at which w_c, and where that is sound.

Plain numpy, so that a slider can re-rank thousands of trials while it is dragged.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

# How far below the w_c that a search was aimed at its trials may be ranked; docs/reranking.md has the measurements.
SOUND_DOWN = 100.0  # a factor; upwards there is none, as a search tries little that is cheaper than its w_c asks for
NEAR_ZERO = 0.01  # searches aimed at 0 and up to here find the same within chance


def rank(f: ArrayLike, complexity: ArrayLike) -> NDArray[np.intp]:
    """Order of n trials, best first: by f (n,), ties by complexity (n,), then by age (their position).

    NaN counts as worse than everything.

    >>> rank([0.2, 0.1, 0.1], complexity=[1, 3, 2]).tolist()
    [2, 1, 0]
    """
    keys = [np.nan_to_num(np.asarray(a, dtype=float), nan=np.inf) for a in (complexity, f)]
    return np.lexsort((np.arange(len(keys[0])), *keys))


def within_error(f: ArrayLike, f_se: ArrayLike, best: int) -> NDArray[np.intp]:
    """Indices of trials whose f differs from that of `best` by less than two standard errors of the difference.

    Args:
        f: of n trials, shape (n,); NaN is never within the error.
        f_se: standard errors of f, shape (n,); they count as independent.
        best: index of the trial to compare with.

    >>> within_error([0.10, 0.11, 0.20], f_se=[0.01, 0.01, 0.01], best=0).tolist()
    [1]
    """
    f, f_se = np.asarray(f, dtype=float), np.asarray(f_se, dtype=float)
    near = np.abs(f - f[best]) < 2 * np.hypot(f_se, f_se[best])
    near[best] = False
    return np.flatnonzero(near)


def sound_range(aims: Iterable[float]) -> tuple[tuple[float, float], ...]:
    """Intervals of w_c, ends included, in which trials may be ranked that searches aimed at some w_c have found.

    Outside of them a search that is aimed there finds better networks, most of all where w_c is larger: what is cheap
    enough for it was hardly tried. Inside, nothing is lost on average.

    Args:
        aims: the w_c of the searches, each >= 0.

    >>> sound_range([0.1]), sound_range([1, 200]), sound_range([])
    (((0.001, 0.1),), ((0.01, 1), (2.0, 200)), ())
    """
    merged: list[tuple[float, float]] = []
    for aim in sorted(aims):
        low, high = aim / SOUND_DOWN if aim > NEAR_ZERO else 0.0, max(aim, NEAR_ZERO)
        if merged and low <= merged[-1][1]:
            low = merged.pop()[0]
        merged.append((low, high))
    return tuple(merged)


def pareto(complexity: ArrayLike, error: ArrayLike) -> NDArray[np.intp]:
    """Indices of the non-dominated points, cheapest first, of n trials' complexity (n,) and error (n,).

    A point is dominated if another is no worse in both and better in one; of equal points the first stays.
    Points with NaN in either are left out.

    >>> pareto(complexity=[1, 2, 3, 4], error=[0.3, 0.1, 0.2, 0.05]).tolist()
    [0, 1, 3]
    """
    c, e = np.asarray(complexity, dtype=float), np.asarray(error, dtype=float)
    finite = np.flatnonzero(np.isfinite(c) & np.isfinite(e))
    order = finite[np.lexsort((finite, e[finite], c[finite]))]
    if not len(order):
        return order
    lowest_before = np.concatenate([[np.inf], np.minimum.accumulate(e[order])[:-1]])
    return order[e[order] < lowest_before]


def breakpoints(
    complexity: ArrayLike, error: ArrayLike, reference: float
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Winners of f = error + w_c c / c_0 as w_c grows, and the w_c at which each takes over.

    The winners are the vertices of the lower convex hull of (c / c_0, error), walked from the smallest error
    towards the smallest complexity.

    Args:
        complexity, error: of n trials, shape (n,).
        reference: c_0 > 0.

    Returns:
        (winners, start): indices (k,), and the w_c from which each wins (k,); start[0] = 0, and winner i holds
        until start[i + 1]. At the breakpoint itself both have the same f.

    >>> winners, start = breakpoints(complexity=[10, 20, 40], error=[0.3, 0.15, 0.1], reference=100)
    >>> winners.tolist(), start.round(2).tolist()
    ([2, 1, 0], [0.0, 0.25, 1.5])
    """
    c, e = np.asarray(complexity, dtype=float), np.asarray(error, dtype=float)
    hull: list[int] = []
    start: list[float] = []
    for i in pareto(c, e)[::-1]:  # from the most accurate to the cheapest
        while True:
            if not hull:
                begin = 0.0
                break
            last = hull[-1]
            begin = float((e[i] - e[last]) * reference / (c[last] - c[i]))  # where f of both is equal
            if begin > start[-1]:
                break
            hull.pop()  # never strictly the winner: i takes over before it did
            start.pop()
        hull.append(int(i))
        start.append(begin)
    return np.array(hull, dtype=np.intp), np.array(start)
