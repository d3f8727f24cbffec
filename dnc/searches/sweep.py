"""`sweep` searches a family of w_c, `transfer` repeats stage 3 on other data (Secs. 3.1 and 4.1)."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dnc.errors import ArgumentError, check_float, short_repr
from dnc.searches.archive import Store
from dnc.searches.parallel import MultiProgress, run_all
from dnc.searches.problem import Problem, check_space
from dnc.searches.progress import Progress
from dnc.searches.result import SearchResult, merge
from dnc.searches.search import Budget, ProgressOption, run, search
from dnc.searches.stages import N1, N2, N3, grid_steps
from dnc.searches.table import TrialTable
from dnc.space import Space
from dnc.training.engine import select_engine
from dnc.workers.pool import Workers, count_workers

if TYPE_CHECKING:
    import pandas as pd

    from dnc.data.dataset import Dataset

WCS = (0.0, 0.01, 0.1, 1.0, 10.0)  # the paper's family (Sec. 3.1)


@dataclass(frozen=True)
class Sweep:
    """A family of searches over w_c on the same data and space.

    Attributes:
        results: one `SearchResult` for each w_c, in the order they ran.
    """

    results: Mapping[float, SearchResult]

    def __getitem__(self, wc: float) -> SearchResult:
        return self.results[wc]

    @property
    def best(self) -> pd.DataFrame:
        """One row for each w_c: the winner's f, accuracy, t_tr, N_p, hyperparameters, and the search's cost."""
        import pandas as pd

        rows = []
        for wc, result in self.results.items():
            best = result.best
            training = best.config.training
            rows.append({
                "wc": wc, "f": best.f, "val_acc": best.val_acc, "t_tr": best.t_tr, "n_params": best.n_params,
                "architecture": str(best.config.arch), "lr": training.lr, "weight_decay": training.weight_decay,
                "batch_size": training.batch_size, "stage": best.stage, "search_cost": result.search_cost,
            })  # fmt: skip
        return pd.DataFrame(rows)

    @property
    def table(self) -> TrialTable:
        """All members' trials, each once."""
        return merge(list(self.results.values()))

    @property
    def trials(self) -> pd.DataFrame:
        """One row a trial of the whole family."""
        return self.table.frame

    @property
    def pooled(self) -> SearchResult:
        """All members' trials as one result, under the first member's w_c: to rescore, plot, explore."""
        first = next(iter(self.results.values()))
        visits = tuple(v for r in self.results.values() for v in r.visits)
        return replace(first, id="sweep", visits=visits, table=self.table)

    def pareto(self) -> pd.DataFrame:
        """The non-dominated trials of the whole family."""
        return self.pooled.pareto()


def sweep(
    data: Dataset,
    space: Space,
    *,
    wcs: Sequence[float] = WCS,
    penalty: str = "t_tr",
    epochs: int | None = None,
    n1: int = N1,
    n2: int = N2,
    n3: int = N3,
    seed: int = 0,
    train_seed: int | None = None,
    reference: float | None = None,
    store: Store | str | Path | None = None,
    workers: int | str | Workers = "auto",
    device: str = "auto",
    method: str = "paper",
    optimizer: str = "bayesian",
    transform: str = "log10",
    batch: int = 1,
    early_stop: bool = False,
    stage2_order: Sequence[str] | None = None,
    share_history: bool = False,
    trial_timeout: float | None = None,
    retry_failed: bool = False,
    progress: ProgressOption = True,
    stop: threading.Event | None = None,
) -> Sweep:
    """One search for each w_c. They share every training and timing they have in common.

    Independent members run side by side, as many as there are workers, so that the steps of one, each of which waits
    for a training, leave no worker idle. What each member does depends on neither the others nor their number.

    Args:
        wcs: the penalty coefficients, each >= 0.
        share_history: tell each member's optimizers the trials of the members before it, which then run one after
            another. Off, as in the paper, the members are independent searches.

    The other arguments, and what is raised, are those of `search`.
    """
    if not isinstance(wcs, Sequence) or not wcs:
        raise ArgumentError(f"wcs={short_repr(wcs)} is not allowed: give a list of numbers >= 0")
    family = list(dict.fromkeys(check_float(f"wcs[{i}]", wc, 0) for i, wc in enumerate(wcs)))
    check_space(space)
    Budget(n1, n2, n3)
    grid = grid_steps(space, stage2_order)
    pool = workers if isinstance(workers, Workers) else Workers(count_workers(workers, select_engine(device).device))
    results: dict[float, SearchResult] = {}
    stop = stop or threading.Event()
    steps = 2 * (n1 + n2) + grid
    board = MultiProgress([steps - (n1 if i else 0) for i in range(len(family))], show=progress is True)
    common = Problem(
        data, penalty=penalty, epochs=epochs, seed=seed, train_seed=train_seed, reference=reference, store=store,
        workers=pool, device=device, method=method, optimizer=optimizer, transform=transform, batch=batch,
        trial_timeout=trial_timeout, retry_failed=retry_failed, stop=stop,
    )  # fmt: skip

    def member(index: int, stop: threading.Event) -> SearchResult:
        def show(state: Progress) -> None:
            board.update(index, state.done, state.total, state.cached)

        history = [v.trial for v in merge(list(results.values())).visits] if share_history and results else []
        result = search(
            data, space, wc=family[index], penalty=penalty, epochs=epochs, n1=n1, n2=n2, n3=n3, seed=seed,
            train_seed=train_seed, reference=reference, store=shared, workers=pool, device=device, method=method,
            optimizer=optimizer, transform=transform, batch=batch, early_stop=early_stop, stage2_order=stage2_order,
            history=history, trial_timeout=trial_timeout, retry_failed=retry_failed,
            progress=show if progress is True else progress, stop=stop,
        )  # fmt: skip
        results[family[index]] = result
        return result

    try:
        with board:
            common.references(space)  # once, before the members would each measure it
            shared = common.open_store()
            found = run_all(member, len(family), 1 if share_history else pool.count, stop)
    finally:
        if pool is not workers:
            pool.close()
    return Sweep(dict(zip(family, found, strict=True)))


def transfer(
    result: SearchResult,
    data: Dataset,
    *,
    wc: float | None = None,
    penalty: str | None = None,
    epochs: int | None = None,
    n1: int = N1,
    n2: int = N2,
    n3: int = N3,
    seed: int | None = None,
    train_seed: int | None = None,
    reference: float | None = None,
    store: Store | str | Path | None = None,
    workers: int | str | Workers = "auto",
    device: str = "auto",
    trial_timeout: float | None = None,
    retry_failed: bool = False,
    progress: ProgressOption = True,
    stop: threading.Event | None = None,
) -> SearchResult:
    """Search transfer (Sec. 4.1): keep the architecture that `result` found and repeat stage 3 on other data.

    Args:
        result: a search whose winner's architecture is used; input shape and classes are the new data's.
        data: the other data set.
        wc, penalty, epochs, seed: None takes those of `result`.

    The other arguments, what is returned and what is raised are those of `search`.
    """
    spec = result.spec
    problem = Problem(
        data, wc=result.objective.wc if wc is None else wc, penalty=penalty or result.objective.penalty,
        epochs=int(spec["epochs"]) if epochs is None else epochs, seed=int(spec["seed"]) if seed is None else seed,
        train_seed=train_seed,
        reference=reference, store=store, workers=workers, device=device, trial_timeout=trial_timeout,
        retry_failed=retry_failed, stop=stop or threading.Event(),
    )  # fmt: skip
    budget = Budget(n1, n2, n3)
    try:
        return run(problem, result.space, budget, progress, arch=result.best.config.arch)
    finally:
        problem.close()
