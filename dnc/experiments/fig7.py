"""Figure 7: Bayesian optimization against random and grid search in stages 1 and 3 (Sec. 4.3).

The paper compares one search per arm and w_c on CIFAR-10. Here every arm searches once for each w_c and seed, all on
one trial store, so that a config that several arms of a seed propose is trained and timed once: the Sobol grid's first
points are the initial points of balanced BO, and what random and grid search try in stage 1 does not depend on w_c.
Every seed has a clock of its own: its timings, c_0's among them, are no other seed's.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from dnc.errors import ArgumentError
from dnc.experiments.fig7_claims import CLAIMS, judge
from dnc.experiments.fig7_plan import FIG7_SCALES, PlannedSearch, arms, finished_fraction, planned_searches
from dnc.experiments.fig7_text import caption, summary
from dnc.experiments.output import provenance
from dnc.experiments.protocol import Notify, Options, Record
from dnc.experiments.scale import Scale
from dnc.experiments.statistics import Verdict
from dnc.plots.arms_info import ArmsInfo, arms_info
from dnc.plots.arms_matplotlib import draw
from dnc.plots.style_matplotlib import Picture
from dnc.searches.archive import Store, open_store
from dnc.searches.estimate import duration, estimate
from dnc.searches.parallel import MultiProgress, run_all
from dnc.searches.search import search
from dnc.trial import TrialStatus
from dnc.workers.pool import Workers

if TYPE_CHECKING:
    import threading

    import pandas as pd

    from dnc.data.dataset import Dataset
    from dnc.searches.progress import Progress
    from dnc.searches.result import SearchResult

MAX_SEED = 2**32 - 1  # of a search
STEP_COLUMNS = [
    "stage",
    "substage",
    "step",
    "f",
    "status",
    "val_acc",
    "t_tr",
    "n_params",
    "seconds",
    "architecture",
    "lr",
    "weight_decay",
    "batch_size",
    "mu",
    "sigma",
    "ei",
    "config",
]


@dataclass(frozen=True)
class Figure7:
    """The experiment. Tests inject tiny scales."""

    scales: Mapping[str, Scale] = field(default_factory=lambda: FIG7_SCALES)
    name: str = "fig7"

    def check(self, options: Options) -> None:
        """Refuse a bad option, before anything is written."""
        options.check(self.name)
        # at any scale: whether a seed is allowed should not depend on the scale
        highest = MAX_SEED - max(scale.n_seeds for scale in self.scales.values())
        if not 0 <= options.seed <= highest:
            raise ArgumentError(f"seed={options.seed} is not allowed: give a whole number from 0 to {highest}")

    def estimate(self, options: Options) -> str:
        """How long it will take, from a few probe timings, which are kept if the store exists already."""
        scale = self.scales[options.scale_name()]
        data, path = scale.load(options.data_root), options.store_path(self.name)
        n_workers = options.worker_count()
        # probe timings need no worker processes, and an estimate must not make a file: the timings go to memory
        with Workers(0) as in_process, Store() as in_memory:
            if not path.exists():
                return self._estimate(scale, data, options, in_memory, in_process, n_workers, {})
            with open_store(path) as store:
                finished = finished_fraction(store, scale, data)
                return self._estimate(scale, data, options, in_memory, in_process, n_workers, finished)

    def _estimate(
        self,
        scale: Scale,
        data: Dataset,
        options: Options,
        store: Store,
        workers: Workers,
        n_workers: int,
        finished: Mapping[tuple[Any, ...], float],
    ) -> str:
        plan = planned_searches(scale, options.seed)
        n_trainings = sum(planned.n_new * (1 - finished.get(planned.key, 0.0)) for planned in plan)
        if n_trainings < 0.5:
            path = options.store_path(self.name)
            return f"a few seconds: all {len(plan)} searches are in {path}, nothing is trained"
        seconds = estimate(
            data,
            scale.space,
            epochs=scale.epochs,
            n1=scale.n1,
            n2=scale.n2,
            seed=options.seed,
            clock=options.seed,
            store=store,
            workers=workers,
            device=options.device,
        ).per_training
        at_a_time = max(1, n_workers)
        more = " more, as part of it is in the store" if finished else ""
        return (
            f"at most about {duration(n_trainings * seconds / at_a_time)}{more}: {len(plan)} searches, up to "
            f"{round(n_trainings):,} trainings of about {duration(seconds)} each, {at_a_time} at a time"
        )

    def run(self, options: Options, notify: Notify, progress: bool = True) -> Record:
        """Run all searches that the store does not have yet: one row per step of each.

        Raises:
            DataError: the data set is not there.
            SearchError: every trial of a stage failed.
            KeyboardInterrupt: interrupted; what is finished is in the store.
        """
        started = time.perf_counter()
        scale = self.scales[options.scale_name()]
        data = scale.load(options.data_root)
        plan = planned_searches(scale, options.seed)
        with options.resources(self.name) as (store, workers):
            finished = finished_fraction(store, scale, data)
            notify(self._estimate(scale, data, options, store, workers, workers.count, finished))
            bar = MultiProgress([planned.n_new for planned in plan], progress)

            def run_one(index: int, stop: threading.Event) -> SearchResult:
                planned = plan[index]

                def show(state: Progress) -> None:
                    bar.update(index, state.done, state.total, state.cached)

                return search(
                    data,
                    scale.space,
                    wc=planned.wc,
                    epochs=scale.epochs,
                    n1=planned.arm.n1,
                    n2=planned.arm.n2,
                    n3=scale.n3,
                    seed=planned.seed,
                    clock=planned.seed,
                    store=store,
                    workers=workers,
                    device=options.device,
                    optimizer=planned.arm.optimizer,
                    progress=show,
                    stop=stop,
                )

            with bar:
                results = run_all(run_one, len(plan), workers.count)
        facts = {
            "figure": "7",
            **provenance(options, time.perf_counter() - started, scale.space.family),
            "setting": scale.to_dict(),
            "arms": {arm.name: arm.label for arm in arms(scale)},
            "seeds": scale.seeds(options.seed),
            "clocks": scale.seeds(options.seed),
            "rules": {claim.name: claim.rule for claim in CLAIMS},
            "n_train": data.n_train,
            "n_val": data.n_val,
            "c_0": typical_references(results),
            **training_cost(results, bar.trained),
        }
        # in the order of the picture; the plan's order is about keeping workers busy
        rank = {arm.name: i for i, arm in enumerate(arms(scale))}
        ranked = sorted(zip(plan, results, strict=True), key=lambda p: (p[0].wc, rank[p[0].arm.name], p[0].seed))
        return Record(tidy(ranked), facts)

    def claims(self, record: Record) -> tuple[Verdict, ...]:
        """The three claims of Sec. 4.3."""
        return judge(record.frame, record.facts)

    def info(self, record: Record) -> ArmsInfo:
        """Plain data of the picture."""
        frame = record.frame
        frame = frame if "distinct_so_far" in frame.columns else with_distinct(frame)
        return arms_info(frame, record.facts["arms"], caption(record.facts))

    def summary(self, record: Record) -> str:
        """Final f and number of distinct configs, by w_c and arm."""
        return summary(self.info(record))

    def draw(self, record: Record) -> Picture:
        """Fig. 7."""
        return draw(self.info(record))


def tidy(results: Iterable[tuple[PlannedSearch, SearchResult]]) -> pd.DataFrame:
    """One row per step: f of its trial; best f and number of distinct configs of its search so far; its c_0.

    `f_reported` is the winner's f by a timing that had no part in choosing it.
    """
    import pandas as pd

    tables = []
    for planned, result in results:
        steps = result.steps.sort_values(["stage", "step"], kind="stable")
        f = steps["f"].where(steps["status"] == TrialStatus.OK)  # a failed one has none, but a best so far
        table = steps[STEP_COLUMNS].assign(
            f=f,
            best_so_far=f.cummin().ffill(),
            f_reported=result.best.f,
            reference=result.objective.reference,
        )
        table.insert(0, "wc", planned.wc)
        table.insert(1, "arm", planned.arm.name)
        table.insert(2, "seed", planned.seed)
        tables.append(table)
    return with_distinct(pd.concat(tables, ignore_index=True))


def with_distinct(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the number of distinct configs that each search has tried so far; older records have no such column."""
    search = ["wc", "arm", "seed"]
    new: Any = ~frame.duplicated([*search, "config"])
    return frame.assign(distinct_so_far=new.groupby([frame[name] for name in search]).cumsum())


def typical_references(results: Sequence[SearchResult]) -> dict[str, float]:
    """c_0 of each metric, the median over searches: each seed times it by its own clock (column `reference`)."""
    values = [result.facts["references"] for result in results]
    return {name: median(value[name] for value in values) for name in values[0]}


def training_cost(results: Iterable[SearchResult], n_trained: int) -> dict[str, Any]:
    """Facts about the effort: what was trained just now, and what the figure's distinct trainings cost when they ran.

    Args:
        results: all searches.
        n_trained: how many trainings were not looked up in the store.
    """
    seconds: dict[str, float] = {}  # by training: arms share them
    n_searches = n_visits = 0
    for result in results:
        n_searches, n_visits = n_searches + 1, n_visits + len(result.visits)
        seconds.update({visit.trial.key: visit.trial.seconds for visit in result.visits})
    return {
        "searches": n_searches,
        "trials": n_visits,
        "trainings": len(seconds),
        "trained_in_this_run": n_trained,
        "training_seconds": round(sum(seconds.values()), 3),
    }


EXPERIMENT = Figure7()
