"""How far from the w_c that a search was aimed at its trials may be ranked again.

    usage: python benchmarks/reranking.py [--seeds 5] [--data digits|fmnist] [--penalty n_params|t_tr]
           (also: [--aims 0.1 0.133 0.178 0.316] [--epochs 15] [--n1 8] [--n2 8])

For each seed one search is aimed at each w_c of a grid, and its trials are ranked under every other one. What that
loses is the f of the trial it names, as a share of the mean f of the winners of the searches that were aimed there,
minus 1. How far those winners themselves lie from their mean ("aimed there") is what chance does. All searches share a
store and the seed of their trainings, so that equal configs have one accuracy and one time: all are judged by it.
Where two aims lie around a w_c, the trials of both together are ranked, too: this is what a sweep's members give
between them.
"""

from __future__ import annotations

import argparse
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

import dnc
from dnc.searches.archive import Store
from dnc.searches.result import SearchResult, merge

AIMS = (0.0, 0.01, 0.0316, 0.1, 0.316, 1.0, 3.16, 10.0)  # half a decade apart, and 0
HARM = 0.1  # of f: a loss that counts as harm

Floats = NDArray[np.float64]
Losses = dict[str, list[float]]


def losses(searches: Sequence[Mapping[float, SearchResult]]) -> Losses:
    """Relative losses in f, by how the trials that are ranked were aimed; each of `searches` is one seed's, by w_c."""
    pool = merge([result for results in searches for result in results.values()])
    place = {visit.trial.key: i for i, visit in enumerate(pool.visits)}
    found: Losses = defaultdict(list)
    aims = list(searches[0])
    for wc in aims:
        objective = searches[0][wc].objective
        f = pool.f(objective)

        def best(results: Iterable[SearchResult], f: Floats = f, objective: dnc.Objective = objective) -> float:
            table = merge(list(results))
            return float(f[place[table.visits[int(table.order(objective)[0])].trial.key]])

        native = float(np.mean([best([results[wc]]) for results in searches]))
        for results in searches:
            for aim in aims:
                found[distance(aim, wc)].append(best([results[aim]]) / native - 1)
            for below, above in _around(wc, aims):
                name = f"between aims {above / below:.0f} times apart"
                found[name].append(best([results[below], results[above]]) / native - 1)
    return found


def _around(wc: float, aims: Sequence[float]) -> list[tuple[float, float]]:
    """Pairs of aims with w_c in their middle, on a logarithmic scale."""
    pairs = [(a, b) for a in aims for b in aims if 0 < a < wc < b]
    return [(a, b) for a, b in pairs if math.isclose(a * b, wc * wc, rel_tol=0.02)]


def distance(aim: float, wc: float) -> str:
    """How far w_c lies from an aim, for the table."""
    if aim == wc:
        return "aimed there"
    if aim == 0 or wc == 0:
        return f"from {aim:g} to {wc:g}"
    ratio = max(wc, aim) / min(wc, aim)
    return f"{'up' if wc > aim else 'down'} by a factor of {float(f'{ratio:.2g}'):,g}"


def table(found: Losses) -> str:
    """The losses: quantiles, and how often they do harm."""
    lines = ["| ranked | cases | median | mean | 90 % | largest | loses more than 10 % |", "|---" * 7 + "|"]
    for name in sorted(found, key=_order):
        v = np.array(found[name])
        cells = (f"{x:+.1%}" for x in (np.median(v), v.mean(), np.quantile(v, 0.9), v.max()))
        lines.append(f"| {name} | {len(v)} | {' | '.join(cells)} | {np.mean(v > HARM):.0%} |")
    return "\n".join(lines)


def _order(name: str) -> tuple[int, float]:
    starts = ("aimed", "down", "up", "from 0", "from", "between")
    first = next(i for i, start in enumerate(starts) if name.startswith(start))
    return first, sum(float(number) for number in re.findall(r"[\d.]+", name.replace(",", "")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("digits", "fmnist"), default="digits")
    parser.add_argument("--penalty", choices=("n_params", "t_tr"), default="n_params")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--n1", type=int, default=8)
    parser.add_argument("--n2", type=int, default=8)
    parser.add_argument("--aims", type=float, nargs="+", default=AIMS)
    options = parser.parse_args()
    data = dnc.load_data("digits") if options.data == "digits" else dnc.load_data("fmnist", n_train=3000, n_val=2000)
    searches: list[Mapping[float, SearchResult]] = []
    with Store() as store:
        for seed in range(options.seeds):
            sweep = dnc.sweep(
                data,
                dnc.MLPSpace(hidden_layers=(0, 2), nodes=(20, 400)),
                wcs=options.aims,
                penalty=options.penalty,
                epochs=options.epochs,
                n1=options.n1,
                n2=options.n2,
                seed=seed,
                train_seed=0,
                store=store,
                progress=False,
            )
            searches.append(sweep.results)
    print(f"{data}; penalty {options.penalty}, {options.epochs} epochs")
    print(f"n1 = {options.n1}, n2 = {options.n2}, {options.seeds} seeds\n")
    print(table(losses(searches)))


if __name__ == "__main__":
    main()
