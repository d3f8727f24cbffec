"""What the paper claims about families of networks (Secs. 3.1 and 3.2), and how each claim is judged.

A claim is measured on one family at a time, the searches of one column and seed; seeds are the independent samples.
w_c = 0 has no logarithm, so trends are slopes per step of w_c, of which 0, 0.01, 0.1, 1 and 10 make four.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dnc.experiments.statistics import Claim, Verdict

if TYPE_CHECKING:
    import pandas as pd

MARGIN = 0.005  # a smaller gain is no performance benefit: half a percentage point of accuracy
NAMES = {"t_tr": "t_tr", "n_params": "N_p", "search_cost": "search cost", "test_acc": "test accuracy"}
Measure = Callable[[Any], float]  # of the rows of one family, all penalties; Any: pandas' type stubs are too narrow


@dataclass(frozen=True)
class FamilyClaim:
    """A claim and what it measures on one family; NaN where that cannot be said.

    Attributes:
        claim: the paper's words and the rule.
        measure: from the rows of one column and seed to one number.
    """

    claim: Claim
    measure: Measure


def judge(claims: tuple[FamilyClaim, ...], frame: pd.DataFrame, facts: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """The verdicts on a record; a seed that a claim cannot be measured on is left out, and it is said."""
    one_run = facts["scale"] == "paper"
    shown = {setting["title"]: setting["shown"] for setting in facts["settings"]}
    verdicts = []
    for family_claim in claims:
        values: dict[str, dict[Any, float]] = {}
        for (column, seed), rows in frame.groupby(["column", "seed"], sort=False):  # type: ignore[misc]
            values.setdefault(shown[column], {})[seed] = family_claim.measure(rows)
        seeds = list(dict.fromkeys(frame["seed"]))
        complete = [s for s in seeds if all(math.isfinite(by_seed.get(s, math.nan)) for by_seed in values.values())]
        omitted = ", ".join(str(seed) for seed in seeds if seed not in complete)
        note = f"Without seed {omitted}, where this cannot be measured." if omitted else ""
        comparisons = {name: [by_seed[s] for s in complete] for name, by_seed in values.items()} if complete else {}
        verdicts.append(family_claim.claim.judge(comparisons, one_run=one_run, note=note))
    return tuple(verdicts)


# ---- what is measured -----------------------------------------------------------------------------------


def slope(quantity: str, penalty: str) -> Measure:
    """Least-squares slope of a quantity per step of w_c; of its log10, in decades, unless it is an accuracy."""

    def measure(rows: Any) -> float:
        family = _family(rows, penalty)
        if len(family) < 2:
            return math.nan
        y = family[quantity].to_numpy(dtype=float)
        return float(np.polyfit(np.arange(len(y)), y if quantity == "test_acc" else np.log10(y), 1)[0])

    return measure


def halfway_gain(complexity: str, penalty: str) -> Measure:
    """Test accuracy halfway (in complexity) between the cheapest and the costliest network, above the mean of both.

    Between neighbors it is interpolated linearly, so a straight line gives 0, and diminishing returns more than that.
    """

    def measure(rows: Any) -> float:
        family = _family(rows, penalty).sort_values(complexity, kind="stable")
        x, y = (family[name].to_numpy(dtype=float) for name in (complexity, "test_acc"))
        if len(x) < 3 or not np.isfinite([x, y]).all() or x[0] == x[-1]:
            return math.nan
        return float(np.interp((x[0] + x[-1]) / 2, x, y) - (y[0] + y[-1]) / 2)

    return measure


def correlation(a: str, b: str, penalty: str) -> Measure:
    """Pearson's correlation of the logarithms of two quantities over the networks of a family.

    Of the logarithms, as both span decades. Ranks of five networks would be tied too often: a correlation of exactly 1
    for every seed has no spread to judge it by.
    """

    def measure(rows: Any) -> float:
        family = _family(rows, penalty)
        x, y = (np.log10(family[name].to_numpy(dtype=float)) for name in (a, b))
        # no NaN is asked of numpy, which would warn
        return math.nan if len(x) < 3 or min(np.ptp(x), np.ptp(y)) == 0 else float(np.corrcoef(x, y)[0, 1])

    return measure


def penalty_difference(quantity: str, base: float | None) -> Measure:
    """A quantity under the penalty N_p minus that under t_tr, mean over w_c > 0; `base`: of logarithms to this base."""

    def measure(rows: Any) -> float:
        table = rows[rows["wc"] > 0].pivot(index="wc", columns="penalty", values=quantity)
        if not {"t_tr", "n_params"} <= set(table.columns):
            return math.nan
        table = table if base is None else np.log(table) / math.log(base)
        return float((table["n_params"] - table["t_tr"]).mean(skipna=False))

    return measure


def _family(rows: Any, penalty: str) -> Any:
    return rows[rows["penalty"] == penalty].sort_values("wc")


# ---- the claims -----------------------------------------------------------------------------------------


def _falls(quantity: str, penalty: str, section: str, sentence: str) -> FamilyClaim:
    unit = "" if quantity == "test_acc" else "log10 of "
    estimator = f"slope of {unit}{NAMES[quantity]} per step of w_c, penalty {NAMES[penalty]}"
    name = f"{quantity} falls, {penalty}"
    return FamilyClaim(Claim(name, sentence, section, estimator, below=True), slope(quantity, penalty))


def _diminishing(complexity: str, section: str) -> FamilyClaim:
    estimator = (
        f"test accuracy halfway in {NAMES[complexity]} between the ends of the family minus the mean of both ends, "
        f"penalty {NAMES[complexity]}"
    )
    sentence = "curves rise sharply towards the left and flatten out towards the right: diminishing performance returns"
    claim = Claim(f"diminishing returns, {complexity}", sentence, section, estimator)
    return FamilyClaim(claim, halfway_gain(complexity, complexity))


def _correlated(quantity: str, section: str) -> FamilyClaim:
    sentence = f"t_tr is correlated with {NAMES[quantity]}"
    estimator = f"correlation of log t_tr and log {NAMES[quantity]} over the w_c of a family, penalty t_tr"
    claim = Claim(f"t_tr and {quantity}", sentence, section, estimator)
    return FamilyClaim(claim, correlation("t_tr", quantity, "t_tr"))


def _family_claims(section: str) -> tuple[FamilyClaim, ...]:
    """What is said of families under the penalty t_tr."""
    return (
        _falls("t_tr", "t_tr", section, "higher w_c gives networks of lower t_tr"),
        _falls("test_acc", "t_tr", section, "performance trades off with complexity: higher w_c, lower accuracy"),
        _diminishing("t_tr", section),
        _falls("search_cost", "t_tr", section, "search cost falls with w_c"),
        _correlated("search_cost", section),
        _correlated("n_params", section),
    )


TIME_CLAIMS = _family_claims("Sec. 3.1")
PENALTY_CLAIMS = (
    *_family_claims("Sec. 3.2"),
    _falls("n_params", "n_params", "Sec. 3.2", "higher w_c gives networks of lower N_p"),
    _falls("test_acc", "n_params", "Sec. 3.2", "performance trades off with N_p: higher w_c, lower accuracy"),
    _diminishing("n_params", "Sec. 3.2"),
    FamilyClaim(
        Claim(
            "search cost under N_p",
            "much longer search times when penalizing N_p as compared to t_tr",
            "Sec. 3.2",
            "log10 of search cost under N_p minus that under t_tr, mean over w_c > 0",
        ),
        penalty_difference("search_cost", 10),
    ),
    FamilyClaim(
        Claim(
            "batch size under N_p",
            "when penalizing N_p the search picks smaller batch sizes",
            "Sec. 3.2",
            "log2 of the batch size under N_p minus that under t_tr, mean over w_c > 0",
            below=True,
        ),
        penalty_difference("batch_size", 2),
    ),
    FamilyClaim(
        Claim(
            "no benefit of N_p",
            "the penalty N_p does not lead to performance benefit",
            "Sec. 3.2",
            "test accuracy under N_p minus that under t_tr, mean over w_c > 0",
            margin=MARGIN,
            below=True,
        ),
        penalty_difference("test_acc", None),
    ),
)
