"""The three claims of Sec. 4.3, judged on the tidy rows of Fig. 7.

For a w_c and a seed, f(arm) is the f that the arm's whole search reports: its winner's, by a timing that had no part in
choosing it. Two arms are baselines (random and grid search)
and two are BO (balanced and extreme). Every arm of BO is compared with every baseline: the mean of two arms could hide
one that random search beats, and the better of two would be the luckier one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dnc.experiments.statistics import Claim, Verdict

if TYPE_CHECKING:
    import pandas as pd

BASELINES, BO = ("random", "sobol"), ("balanced", "extreme")
LOW_COMPLEXITY = 1.0  # the paper's "low complexity models" are those of this w_c and above
HIGH_PERFORMING = 0.01  # and its "high performing models" those of this w_c and below
MARGIN = 0.005  # a smaller advantage in f is not significant for them: half a percentage point of accuracy

EACH_OCCASION = Claim(
    "each occasion",
    "BO outperforms random and grid search on each occasion",
    "Sec. 4.3",
    "f of a baseline minus f of BO, for each baseline, arm of BO and w_c",
)
LOW = Claim(
    "low complexity",
    "more optimization steps are beneficial for low complexity models",
    "Sec. 4.3",
    f"f of balanced BO minus f of extreme BO, mean over w_c >= {LOW_COMPLEXITY:g}",
)
HIGH = Claim(
    "high performing",
    "the advantages of BO are not significant for high performing models",
    "Sec. 4.3",
    f"f of a baseline minus f of BO, for each baseline, arm of BO and w_c <= {HIGH_PERFORMING:g}; "
    f"{MARGIN:g} is half a percentage point of accuracy",
    margin=MARGIN,
    below=True,
)
CLAIMS = EACH_OCCASION, LOW, HIGH
SHARED_CLOCK = "Recorded before seeds had clocks of their own: where w_c > 0 they share timings and are not independent"


def final_f(frame: pd.DataFrame) -> pd.DataFrame:
    """The f that each search reports: index (wc, seed), one column per arm; in older records its best f."""
    column = "f_reported" if "f_reported" in frame.columns else "best_so_far"
    last = frame.sort_values(["stage", "step"], kind="stable").groupby(["wc", "seed", "arm"])[column].last()
    table: Any = last.unstack("arm")
    return table


def judge(frame: pd.DataFrame, facts: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """Verdicts on the claims of Sec. 4.3."""
    f = final_f(frame)
    wcs = sorted(set(frame["wc"]))
    low, high = [w for w in wcs if w >= LOW_COMPLEXITY], [w for w in wcs if w <= HIGH_PERFORMING]
    common: dict[str, Any] = {
        "one_run": facts["scale"] == "paper",
        "note": "" if "clocks" in facts or len(facts["seeds"]) == 1 else SHARED_CLOCK,
    }
    return (
        EACH_OCCASION.judge(_advantages(f, wcs), **common),
        LOW.judge(_more_steps(f, low), **common),
        HIGH.judge(_advantages(f, high), **common),
    )


def _advantages(f: Any, wcs: Sequence[float]) -> dict[str, list[float]]:
    """By how much each arm of BO is better than each baseline at each w_c, seed by seed."""
    return {
        f"w_c = {wc:g}, {bo} BO against {baseline}": (f.loc[wc][baseline] - f.loc[wc][bo]).tolist()
        for wc in wcs
        for bo in BO
        for baseline in BASELINES
    }


def _more_steps(f: Any, wcs: Sequence[float]) -> dict[str, list[float]]:
    """By how much 29 optimization steps (the paper's number) are better than 15; a seed's w_c make one sample."""
    if not wcs:
        return {}
    better = (f["balanced"] - f["extreme"]).unstack("seed").loc[list(wcs)].mean(axis=0)
    return {f"w_c = {', '.join(f'{w:g}' for w in wcs)}": better.tolist()}
