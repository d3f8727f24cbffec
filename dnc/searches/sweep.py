"""`sweep` searches for several w_c on the same data and space (Sec. 3.1)."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dnc.bayesopt.acquisition import XI
from dnc.bayesopt.gp import NOISE
from dnc.bayesopt.optimizer import N1, N2, N3
from dnc.card import Card, HasCard
from dnc.data.dataset import Dataset
from dnc.searches.aims import aim_notes
from dnc.searches.cards import sweep_card
from dnc.searches.opening import open_study
from dnc.searches.parallel import MultiProgress, run_all
from dnc.searches.progress import Progress, ProgressOption
from dnc.searches.result import SearchResult, merge
from dnc.searches.search import run_search
from dnc.searches.settings import (
    Device,
    Method,
    OptimizerName,
    Resources,
    SearchSettings,
    StoreLike,
    Transform,
    WorkersLike,
    distinct_wcs,
    pack,
)
from dnc.searches.stages import grid_steps
from dnc.searches.table import TrialTable
from dnc.space import Space

if TYPE_CHECKING:
    import pandas as pd

WCS = (0.0, 0.01, 0.1, 1.0, 10.0)  # the paper's family (Sec. 3.1)


@dataclass(frozen=True, repr=False)
class Sweep(HasCard):
    """Searches for several w_c on the same data and space.

    Attributes:
        results: one `SearchResult` for each w_c, in the order they were given.

    >>> import dnc
    >>> data = dnc.load_data("digits", n_train=200, n_val=100)
    >>> searches = dnc.sweep(data, dnc.MLPSpace(nodes=(8, 32)), wcs=(0, 1), penalty="n_params", epochs=1,
    ...                      n1=2, n2=1, workers=0, progress=False)
    >>> searches.best.wc.tolist()
    [0.0, 1.0]
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
            rows.append(
                {
                    "wc": wc,
                    "f": best.f,
                    "f_selected": best.f_selected,
                    "val_acc": best.val_acc,
                    "t_tr": best.t_tr,
                    "t_tr_se": best.t_tr_se,
                    "n_params": best.n_params,
                    "architecture": str(best.config.arch),
                    "lr": training.lr,
                    "weight_decay": training.weight_decay,
                    "batch_size": training.batch_size,
                    "stage": best.stage,
                    "search_cost": result.search_cost,
                }
            )
        return pd.DataFrame(rows)

    @property
    def table(self) -> TrialTable:
        """All members' trials, each once."""
        return merge(list(self.results.values()))

    @property
    def trials(self) -> pd.DataFrame:
        """One row per trial of all members."""
        return self.table.frame

    @property
    def pooled(self) -> SearchResult:
        """All members' trials as one result, under the first member's w_c: to rescore, plot, explore.

        Its `sound_range` is what the members answer together.
        """
        first = next(iter(self.results.values()))
        visits = tuple(v for r in self.results.values() for v in r.visits)
        reported = [last for result in self.results.values() for last in result.facts.get("reported", ())]
        timings = {key: s for r in self.results.values() for key, s in r.facts.get("timing_seconds", {}).items()}
        facts = {**first.facts, "reported": reported, "aims": list(self.results), "timing_seconds": timings}
        return replace(first, id="sweep", visits=visits, table=self.table, facts=facts)

    @property
    def sound_range(self) -> tuple[tuple[float, float], ...]:
        """Intervals of w_c in which the members' trials together may be ranked, see `dnc.tradeoff.sound_range`."""
        return self.pooled.sound_range

    def pareto(self) -> pd.DataFrame:
        """The non-dominated trials of all members."""
        return self.pooled.pareto()

    def _card(self) -> Card:
        winners = {wc: result._winner for wc, result in self.results.items()}
        objectives = {wc: result.objective for wc, result in self.results.items()}
        n_val = next((result.n_val for result in self.results.values()), None)
        notes = aim_notes(self.pooled.aims, self.pooled.objective) if self.results else []
        return sweep_card(winners, objectives, n_val, notes)

    def _drawing(self) -> str:
        from dnc.plots.sketch import sketch, winner_marks

        winners = {wc: result._winner for wc, result in self.results.items()}
        return sketch(self.pooled, winner_marks(winners, self.pooled.objective.penalty)) if self.results else ""


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
    clock: int = 0,
    reference: float | None = None,
    store: StoreLike = None,
    workers: WorkersLike = "auto",
    device: Device = "auto",
    method: Method = "paper",
    optimizer: OptimizerName = "bayesian",
    transform: Transform = "log10",
    xi: float = XI,
    noise: float = NOISE,
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

    >>> import dnc
    >>> data = dnc.load_data("digits", n_train=200, n_val=100)
    >>> searches = dnc.sweep(data, dnc.MLPSpace(nodes=(8, 32)), wcs=(0, 10), penalty="n_params", epochs=1,
    ...                      n1=2, n2=1, workers=0, progress=False)
    >>> bool(searches[10].best.n_params <= searches[0].best.n_params)
    True
    """
    settings, resources = pack(locals())
    return run_sweep(data, space, wcs, settings, resources, share_history=share_history, progress=progress, stop=stop)


def run_sweep(
    data: Dataset,
    space: Space,
    wcs: Sequence[float],
    settings: SearchSettings,
    resources: Resources,
    *,
    share_history: bool = False,
    progress: ProgressOption = True,
    stop: threading.Event | None = None,
) -> Sweep:
    """What `sweep` does, with its keywords packed; the w_c of the settings is replaced by each of `wcs`."""
    distinct = distinct_wcs(wcs)
    stop = stop or threading.Event()
    with open_study(data, space, settings, resources, stopped=stop.is_set) as (study, evaluator, open_store):
        steps = 2 * (settings.n1 + settings.n2) + grid_steps(space, settings.stage2_order)
        # every member after the first finds the initial points of stage 1 in the store
        bar = MultiProgress([steps - (settings.n1 if i else 0) for i in range(len(distinct))], show=progress is True)
        shared = replace(resources, store=open_store, workers=evaluator.workers)
        results: dict[float, SearchResult] = {}

        def member(index: int, stop: threading.Event) -> SearchResult:
            def show(state: Progress) -> None:
                bar.update(index, state.done, state.total, state.cached)

            earlier = [v.trial for v in merge(list(results.values())).visits] if share_history and results else []
            wc = distinct[index]
            # the same store and pool for all: a config that several members propose is trained once
            results[wc] = run_search(
                data,
                space,
                replace(settings, wc=wc),
                shared,
                history=earlier,
                progress=show if progress is True else progress,
                stop=stop,
            )
            return results[wc]

        with bar:
            _ = study.references  # once, before the members would each measure it
            run_all(member, len(distinct), 1 if share_history else evaluator.workers.count, stop)
    return Sweep({wc: results[wc] for wc in distinct})
