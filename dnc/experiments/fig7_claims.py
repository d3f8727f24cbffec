"""The three claims of Sec. 4.3, judged on the tidy rows of Fig. 7.

For a w_c and a seed, f(arm) is the best f of the arm's whole search. Two arms are baselines (random and grid search)
and two are BO (balanced and extreme). Each pair is represented by its mean: the better of two would be the luckier one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dnc.experiments.statistics import Interval, Verdict, everywhere, exceeds, method, paired, stays_below

if TYPE_CHECKING:
    import pandas as pd

BASELINES, BO = ("random", "sobol"), ("balanced", "extreme")
LOW_COMPLEXITY = 1.0  # the paper's "low complexity models" are those of this w_c and above
HIGH_PERFORMING = 0.01  # and its "high performing models" those of this w_c and below
MARGIN = 0.005  # a smaller advantage in f is not significant for them: half a percentage point of accuracy


def final_f(frame: pd.DataFrame) -> pd.DataFrame:
    """Best f of each search: index (wc, seed), one column per arm."""
    last = frame.sort_values(["stage", "step"], kind="stable").groupby(["wc", "seed", "arm"])["best_so_far"].last()
    table: Any = last.unstack("arm")
    return table


def judge(frame: pd.DataFrame) -> tuple[Verdict, ...]:
    """Verdicts on the claims of Sec. 4.3."""
    f: Any = final_f(frame)  # Any: pandas' type stubs do not follow the indexing below
    advantage = f[list(BASELINES)].mean(axis=1) - f[list(BO)].mean(axis=1)  # > 0: BO is better
    more_steps = f["balanced"] - f["extreme"]  # > 0: more optimization steps (the paper: 29, not 15) are better
    wcs = sorted(set(frame["wc"]))
    method_text = method(len(set(frame["seed"])))
    return (
        _each_occasion(advantage, wcs, method_text),
        _low_complexity(more_steps, [w for w in wcs if w >= LOW_COMPLEXITY], method_text),
        _high_performing(advantage, [w for w in wcs if w <= HIGH_PERFORMING], method_text),
    )


def _each_occasion(advantage: pd.Series, wcs: Sequence[float], method_text: str) -> Verdict:
    by_wc = [(f"w_c = {wc:g}", _by_seed(advantage, [wc])) for wc in wcs]
    least = min((interval for _, interval in by_wc), key=lambda i: i.low if i.n > 1 else i.mean)
    better = int((advantage > 0).sum())
    return Verdict(
        "BO outperforms random and grid search on each occasion",
        everywhere([exceeds(interval) for _, interval in by_wc]),
        least,
        "f of the baselines minus f of BO, at the w_c where it is least certain; holds if the interval is above 0 at "
        f"every w_c. BO was better in {better} of {len(advantage)} pairs of w_c and seed",
        method_text,
        (*by_wc, ("mean over all w_c", _by_seed(advantage, wcs))),
    )


def _low_complexity(more_steps: pd.Series, wcs: Sequence[float], method_text: str) -> Verdict:
    interval = _by_seed(more_steps, wcs)
    return Verdict(
        "more optimization steps are beneficial for low complexity models",
        exceeds(interval),
        interval,
        f"f of balanced BO minus f of extreme BO at w_c = {_listed(wcs)}; holds if the interval is above 0",
        method_text,
    )


def _high_performing(advantage: pd.Series, wcs: Sequence[float], method_text: str) -> Verdict:
    interval = _by_seed(advantage, wcs)
    return Verdict(
        "the advantages of BO are not significant for high performing models",
        stays_below(interval, MARGIN),
        interval,
        f"f of the baselines minus f of BO at w_c = {_listed(wcs)}; holds if the interval is below {MARGIN:g}, half a "
        "percentage point of accuracy",
        method_text,
    )


def _by_seed(differences: pd.Series, wcs: Sequence[float]) -> Interval:
    """The interval over seeds. Searches of one seed share data and initial weights, so its w_c make one sample."""
    table = differences.unstack("seed").loc[list(wcs)]
    return paired(np.asarray(table.mean(axis=0), dtype=float).tolist())


def _listed(wcs: Sequence[float]) -> str:
    return ", ".join(f"{w:g}" for w in wcs)
