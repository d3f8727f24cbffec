"""Figure 7: Bayesian optimization against random and grid search in stages 1 and 3 (Sec. 4.3).

The paper compares one run of each on CIFAR-10. Here every arm runs once for each w_c and seed, all on one trial store,
so that a config that several arms propose is trained once: the Sobol grid's first points are the initial points of
balanced BO, and what random and grid search try in stage 1 does not depend on w_c.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from dnc.errors import ArgumentError
from dnc.experiments.fig7_claims import judge
from dnc.experiments.output import provenance
from dnc.experiments.scale import Notify, Options, Record, Scale
from dnc.experiments.statistics import Verdict
from dnc.plots.arms_info import ArmsInfo, arms_info
from dnc.plots.arms_matplotlib import draw
from dnc.plots.style_matplotlib import Picture
from dnc.searches.archive import Store, open_store
from dnc.searches.estimate import duration, estimate
from dnc.searches.parallel import MultiProgress, run_all
from dnc.searches.search import search
from dnc.searches.stages import grid_steps
from dnc.space import CNNSpace, MLPSpace
from dnc.workers.pool import Workers

if TYPE_CHECKING:
    import threading

    import pandas as pd

    from dnc.data.dataset import Dataset
    from dnc.searches.progress import Progress
    from dnc.searches.result import SearchResult

PAPER_WCS = (0.0, 0.01, 0.1, 1.0, 10.0)
WCS = (0.0, 0.1, 10.0)

FIG7_SCALES: Mapping[str, Scale] = MappingProxyType(
    {
        "smoke": Scale(
            "smoke", "digits", n_train=600, n_val=397, space=MLPSpace(), epochs=8,
            n1=3, n2=3, n3=200, wcs=WCS, n_seeds=3,
        ),
        # The paper's n1, n2, n3 and MLP space; images and epochs are what two CPU cores do in at most 45 minutes.
        "small": Scale(
            "small", "fmnist", n_train=8000, n_val=5000, space=MLPSpace(), epochs=12,
            n1=15, n2=15, n3=1000, wcs=WCS, n_seeds=3,
        ),
        # The paper's setting: unaugmented CIFAR-10, one run of each.
        "paper": Scale(
            "paper", "cifar10", n_train=None, n_val=None, space=CNNSpace(), epochs=100,
            n1=15, n2=15, n3=1000, wcs=PAPER_WCS, n_seeds=1,
        ),
    }
)  # fmt: skip


class Arm(NamedTuple):
    """A way to search: the optimizer, and how its n1 + n2 trials are divided."""

    name: str
    optimizer: str
    n1: int
    n2: int
    label: str


def arms(scale: Scale) -> tuple[Arm, ...]:
    """The four arms of Sec. 4.3; all have the same number of trials."""
    n = scale.n1 + scale.n2
    return (
        Arm("random", "random", n, 0, f"random\n{n}"),
        Arm("sobol", "sobol", n, 0, f"Sobol\ngrid\n{n}"),
        Arm("balanced", "bayesian", scale.n1, scale.n2, f"balanced\nBO\n{scale.n1} + {scale.n2}"),
        Arm("extreme", "bayesian", 1, n - 1, f"extreme\nBO\n1 + {n - 1}"),
    )


@dataclass(frozen=True)
class Run:
    """One search: an arm at a w_c with a seed. `new` is how many trainings no other search shares, at most."""

    wc: float
    arm: Arm
    seed: int
    new: int

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells the searches of one store and scale apart."""
        return self.wc, self.arm.optimizer, self.arm.n1, self.arm.n2, self.seed


def runs(scale: Scale, seed: int) -> list[Run]:
    """All searches of the figure, sequential arms first: those that come last keep every core busy on their own."""
    n, grid = scale.n1 + scale.n2, grid_steps(scale.space)
    found, shared = [], set()
    for arm in sorted(arms(scale), key=lambda a: -a.n2):
        for k in range(scale.n_seeds):
            for wc in scale.wcs:
                once = (
                    {("random", s) for s in range(n)}
                    if arm.optimizer == "random"
                    else {("sobol", s) for s in range(arm.n1)}
                )
                fresh = {(k, *point) for point in once} - shared
                shared |= fresh
                found.append(Run(wc, arm, seed + k, len(fresh) + arm.n2 + grid + n))
    return found


@dataclass(frozen=True)
class Figure7:
    """Scales can be injected, e.g. a tiny one by tests."""

    scales: Mapping[str, Scale] = field(default_factory=lambda: FIG7_SCALES)
    name: str = "fig7"

    def check(self, options: Options) -> None:
        """Refuse a bad option, before anything is written."""
        options.check(self.name)
        if options.seed < 0 or options.seed >= 2**32 - max(s.n_seeds for s in self.scales.values()):
            raise ArgumentError(f"seed={options.seed} is not allowed: give a whole number from 0 to 4,000,000,000")

    def estimate(self, options: Options) -> str:
        """How long it will take, from a few timings, which are kept if the store is there already."""
        scale = self.scales[options.scale_name()]
        data, path = scale.load(options.data_root), options.store_path(self.name)
        with Workers(0) as none, Store() as scratch:
            count = options.worker_count()
            if not path.exists():
                return self._estimate(scale, data, options, scratch, none, count, {})
            with open_store(path) as store:
                return self._estimate(scale, data, options, scratch, none, count, finished_share(store, scale, data))

    def _estimate(
        self, scale: Scale, data: Dataset, options: Options, store: Store, workers: Workers, count: int,
        done: Mapping[tuple[Any, ...], float],
    ) -> str:  # fmt: skip
        todo = runs(scale, options.seed)
        left = sum(r.new * (1 - done.get(r.key, 0.0)) for r in todo)
        if left < 0.5:
            return f"a few seconds: all {len(todo)} searches are in {options.store_path(self.name)}, nothing is trained"
        one = estimate(
            data, scale.space, epochs=scale.epochs, n1=scale.n1, n2=scale.n2, seed=options.seed, store=store,
            workers=workers, device=options.device,
        ).per_training  # fmt: skip
        more = " more, as part of it is in the store" if done else ""
        return (
            f"at most about {duration(left * one / max(1, count))}{more}: {len(todo)} searches, up to {round(left):,} "
            f"trainings of about {duration(one)} each, {max(1, count)} at a time"
        )

    def run(self, options: Options, say: Notify, progress: bool = True) -> Record:
        """Run all searches that the store does not have yet: one row a step of each.

        Raises:
            DataError: the data set is not there.
            SearchError: every trial of a stage failed.
            KeyboardInterrupt: stopped; what is finished is in the store.
        """
        started = time.perf_counter()
        scale = self.scales[options.scale_name()]
        data = scale.load(options.data_root)
        todo = runs(scale, options.seed)
        with options.resources(self.name) as (store, workers):
            done = finished_share(store, scale, data)
            say(self._estimate(scale, data, options, store, workers, workers.count, done))
            board = MultiProgress([r.new for r in todo], progress)

            def one(index: int, stop: threading.Event) -> SearchResult:
                run = todo[index]

                def show(state: Progress) -> None:
                    board.update(index, state.done, state.total, state.cached)

                return search(
                    data, scale.space, wc=run.wc, epochs=scale.epochs, n1=run.arm.n1, n2=run.arm.n2, n3=scale.n3,
                    seed=run.seed, store=store, workers=workers, device=options.device, optimizer=run.arm.optimizer,
                    progress=show, stop=stop,
                )  # fmt: skip

            with board:
                results = run_all(one, len(todo), workers.count)
        order = {arm.name: place for place, arm in enumerate(arms(scale))}
        ranked = sorted(zip(todo, results, strict=True), key=lambda p: (p[0].wc, order[p[0].arm.name], p[0].seed))
        facts = {
            "figure": "7",
            **provenance(options, time.perf_counter() - started, scale.space.family),
            "setting": scale.to_dict(),
            "arms": {arm.name: arm.label for arm in arms(scale)},
            "seeds": [options.seed + k for k in range(scale.n_seeds)],
            "n_train": data.n_train,
            "n_val": data.n_val,
            "c_0": dict(results[0].facts["references"]),
            **_effort(results, board.trained),
        }
        return Record(tidy(ranked), facts)

    def claims(self, record: Record) -> tuple[Verdict, ...]:
        """The three claims of Sec. 4.3."""
        return judge(record.frame)

    def info(self, record: Record) -> ArmsInfo:
        """Plain data of the picture."""
        return arms_info(record.frame, record.facts["arms"], note(record.facts))

    def draw(self, record: Record) -> Picture:
        """Fig. 7."""
        return draw(self.info(record))


def finished_share(store: Store, scale: Scale, data: Dataset) -> dict[tuple[Any, ...], float]:
    """How much of each search the store has, from 0 to 1, by `Run.key`."""
    found: dict[tuple[Any, ...], float] = {}
    fingerprint = data.flatten().fingerprint if scale.space.family == "mlp" else data.fingerprint
    planned = 2 * (scale.n1 + scale.n2)
    rows: Any = store.searches().itertuples()
    for row in rows:
        spec = store.search(row.id)["spec"]
        same = (spec["data"]["fingerprint"], spec["epochs"], spec["n3"], spec["space"]) == (
            fingerprint, scale.epochs, scale.n3, scale.space.to_dict(),
        )  # fmt: skip
        if same:
            key = spec["wc"], spec["optimizer"], spec["n1"], spec["n2"], spec["seed"]
            found[key] = 1.0 if row.status == "finished" else min(1.0, int(row.visits) / planned)  # type: ignore[call-overload]
    return found


def tidy(results: Iterable[tuple[Run, SearchResult]]) -> pd.DataFrame:
    """One row a step: f of its trial, and the best f of its search so far."""
    import pandas as pd

    parts = []
    for run, result in results:
        steps = result.steps.sort_values(["stage", "step"], kind="stable")
        f = steps["f"].where(steps["status"] == "ok")
        part = steps[COLUMNS].assign(f=f, best_so_far=f.cummin().ffill())
        part.insert(0, "wc", run.wc)
        part.insert(1, "arm", run.arm.name)
        part.insert(2, "seed", run.seed)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


COLUMNS = [
    "stage", "substage", "step", "f", "status", "val_acc", "t_tr", "n_params", "seconds", "architecture", "lr",
    "weight_decay", "batch_size", "mu", "sigma", "ei", "config",
]  # fmt: skip


def note(facts: Mapping[str, Any]) -> str:
    """What the numbers were made with, in one or two lines."""
    s, c0 = facts["setting"], facts["c_0"]
    seeds = ", ".join(map(str, facts["seeds"]))
    return (
        f"Scale {facts['scale']}: {s['space']['family'].upper()} search on {s['data']}, {facts['n_train']:,} images to "
        f"train and {facts['n_val']:,} to validate, {s['epochs']} epochs, "
        f"seed{'s' if len(facts['seeds']) > 1 else ''} {seeds}.\n"
        f"f = (1 − best validation accuracy) + w_c · t_tr / c_0 with c_0 = {c0['t_tr']:.3g} s an epoch, "
        f"on {facts['hardware']['machine']}."
    )


def _effort(results: Iterable[SearchResult], trained: int) -> dict[str, Any]:
    """How much was trained: in this run, and what the figure's distinct trainings cost when they ran."""
    cost: dict[str, float] = {}
    searches = visits = 0
    for result in results:
        searches, visits = searches + 1, visits + len(result.visits)
        cost.update({v.trial.key: v.trial.seconds for v in result.visits})
    return {
        "searches": searches,
        "trials": visits,
        "trainings": len(cost),
        "trained_in_this_run": trained,
        "training_seconds": round(sum(cost.values()), 3),
    }


EXPERIMENT = Figure7()
