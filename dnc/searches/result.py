"""What a search found. f is composed here, when it is read: any w_c and any recorded penalty can be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dnc.card import Card, HasCard
from dnc.config import Config
from dnc.errors import ArgumentError, DncError, SearchError, StoreError, check_choice, check_int
from dnc.objective import METRICS, Objective
from dnc.searches.cards import search_card, trial_facts, validation_size
from dnc.searches.table import TrialTable, best_visits, visit_frame
from dnc.space import Space
from dnc.store.rows import TrialStore
from dnc.training.clock import Calibration
from dnc.training.engine import machine_id, select_engine
from dnc.trial import SearchStatus, Trial, Visit

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from dnc.data.dataset import Dataset
    from dnc.models.ensemble import Ensemble
    from dnc.models.model import Model
    from dnc.plots import Backend
    from dnc.plots.style_matplotlib import Picture


@dataclass(frozen=True, repr=False)
class Best(HasCard):
    """The winner of a search under its objective.

    Attributes:
        config: architecture and training hyperparameters.
        val_acc: best validation accuracy, a fraction from 0 to 1.
        t_tr: training time of one epoch, seconds.
        n_params: trainable parameters.
        f: the objective (eq. 1).
        stage: the stage that found it.
        trial: the whole measurement.
        objective: what f was composed with, if it is at hand.
        n_val: number of validation samples, if it is known.

    >>> from dnc import CNN, Config, Trial
    >>> config = Config(CNN(channels=(16, 32)))
    >>> trial = Trial(config, val_acc=0.9, t_tr=2.0, n_params=5000)
    >>> print(Best(config, 0.9, 2.0, 5000, f=0.15, stage=1, trial=trial))
    f = 0.1500: CNN 16-32; lr 0.001, weight decay 0, batch 256
      validation accuracy 90.00%, t_tr 2 s per epoch, 5,000 parameters (stage 1)
    """

    config: Config
    val_acc: float
    t_tr: float
    n_params: int
    f: float
    stage: int
    trial: Trial
    objective: Objective | None = field(default=None, compare=False)
    n_val: int | None = field(default=None, compare=False)

    def _card(self) -> Card:
        facts = trial_facts(self.trial, self.objective, self.n_val)
        if self.objective is None:
            facts.insert(0, ("f", f"{self.f:.4f}"))
        return Card(
            title=f"best trial (stage {self.stage})",
            headline=str(self.config.arch),
            detail=str(self.config.training),
            facts=tuple(facts),
        )

    def __str__(self) -> str:
        return (
            f"f = {self.f:.4f}: {self.config}\n  validation accuracy {self.val_acc:.2%}, "
            f"t_tr {self.t_tr:.4g} s per epoch, {self.n_params:,} parameters (stage {self.stage})"
        )


@dataclass(frozen=True, repr=False)
class SearchResult(HasCard):
    """The result of `search`, or of a stored search.

    Attributes:
        id: the search's name in its store.
        spec: what defines the search (plain data).
        facts: what was measured about the run: c_0 of each metric, wall seconds, seconds of each timing, versions,
            machine.
        space: the search space.
        objective: f with its w_c, penalty and c_0.
        visits: every step, in order.
        status: "finished", "stopped", "failed" or "running".
        data: the data set, if it is at hand.
        store: where the trials are.
        table: the distinct trials as columns.

    >>> import dnc
    >>> data = dnc.load_data("digits", n_train=200, n_val=100)
    >>> result = dnc.search(data, dnc.MLPSpace(nodes=(8, 32)), wc=0.1, penalty="n_params", epochs=1,
    ...                     n1=2, n2=1, workers=0, progress=False)
    >>> bool(result.best.f == result.trials.f.min())
    True
    >>> cheaper = result.rescore(wc=100)  # the same trials under another w_c: trains nothing
    >>> bool(cheaper.best.n_params <= result.best.n_params)
    True
    """

    id: str
    spec: Mapping[str, Any]
    facts: Mapping[str, Any]
    space: Space
    objective: Objective
    visits: tuple[Visit, ...]
    status: SearchStatus = SearchStatus.FINISHED
    data: Dataset | None = None
    store: TrialStore | None = None
    table: TrialTable = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.table is None:
            object.__setattr__(self, "table", TrialTable(self.visits))

    @cached_property
    def best(self) -> Best:
        """The trial with the smallest f.

        Raises:
            SearchError: there is no finished trial.
        """
        order = self.table.order(self.objective)
        if not len(order):
            raise SearchError(f"search {self.id} has no finished trial yet: run it (again) to get one")
        return self._as_best(self.table.visits[order[0]])

    def _as_best(self, visit: Visit) -> Best:
        t = visit.trial
        f, n_val = self.objective.of(t), self._n_val
        return Best(t.config, t.val_acc, t.t_tr, t.n_params, f, visit.stage, t, self.objective, n_val)

    @property
    def _n_val(self) -> int | None:
        return validation_size(self.spec) if self.data is None else self.data.n_val

    @property
    def trials(self) -> pd.DataFrame:
        """One row per trial, in the order of their first visit, with f under this result's objective."""
        return self.table.with_f(self.objective)

    @property
    def steps(self) -> pd.DataFrame:
        """One row per step of the search: a trial that was visited twice stands twice."""
        frame = visit_frame(self.visits)
        frame.insert(2, "f", [self.objective.of(v.trial) for v in self.visits])
        return frame

    @property
    def search_cost(self) -> float:
        """Recorded seconds of its configs' trainings, with validation, and of their timings: each once, new or not."""
        timings = self.facts.get("timing_seconds", {}).values()
        return float(sum(v.trial.seconds for v in self.table.visits) + sum(timings))

    def pareto(self) -> pd.DataFrame:
        """The non-dominated trials in (complexity, error), cheapest first."""
        return self.table.pareto(self.objective)

    def rescore(
        self, wc: float | None = None, penalty: str | None = None, reference: float | None = None
    ) -> SearchResult:
        """The same trials under another w_c, penalty or c_0. Trains nothing.

        Raises:
            ArgumentError: the penalty is unknown or was not recorded, or its c_0 is not known.
        """
        name = check_choice("penalty", penalty or self.objective.penalty, METRICS)
        self.table.complexity(name)
        if reference is None:
            references = {**self.facts.get("references", {}), self.objective.penalty: self.objective.reference}
            if name not in references:
                raise ArgumentError(f"c_0 of penalty={name!r} is not known here: give reference=")
            reference = float(references[name])
        objective = Objective(self.objective.wc if wc is None else wc, name, reference)
        return replace(self, objective=objective)

    def breakpoints(self) -> pd.DataFrame:
        """The exact w_c at which the winner changes: winners with the interval [wc_from, wc_to] of each."""
        return self.table.breakpoints(self.objective)

    def plot(
        self, *, wc: float | None = None, penalty: str | None = None, backend: Backend = "matplotlib"
    ) -> Picture | go.Figure:
        """Error against complexity: every trial, the Pareto front, the winner, the lines of equal f.

        Args:
            wc, penalty: None takes those of this result.
            backend: "matplotlib", or "plotly" for a figure that can be hovered over and zoomed.

        Raises:
            ArgumentError: an unknown back end, or a penalty that was not recorded.
            SearchError: there is no finished trial.
        """
        from dnc.plots import tradeoff

        return tradeoff(self, wc=wc, penalty=penalty, backend=backend)

    def top(self, n: int = 10, stage: int | None = None) -> list[Best]:
        """The n best trials (of one stage), best first.

        Raises:
            ArgumentError: n is no whole number >= 1, or stage is not 1, 2 or 3.
        """
        only = None if stage is None else check_int("stage", stage, 1, 3)
        visits = [v for v in self.visits if only is None or v.stage == only]
        return [self._as_best(v) for v in best_visits(visits, self.objective)[: check_int("n", n, 1)]]

    def refit(
        self,
        epochs: int | None = None,
        *,
        data: Dataset | None = None,
        seed: int | None = None,
        device: str = "auto",
        config: Config | None = None,
        progress: bool = True,
    ) -> Model:
        """Train the winner on train + validation data and test it (Sec. 3.1).

        Args:
            epochs: None takes the family's default: 300 (CNN) or 180 (MLP).
            data: the data set, where this result was opened from a store without it.
            seed: None takes the search's train_seed.
            device: "auto", "cpu" or "cuda".
            config: another config than the winner's.
            progress: show a bar.

        Raises:
            ArgumentError: the data is not at hand.
        """
        from dnc.models.final_training import train_final

        return train_final(
            config or self.best.config,
            self._data(data),
            epochs=self.space.refit_epochs if epochs is None else epochs,
            seed=int(self.spec["train_seed"]) if seed is None else seed,
            device=device,
            progress=progress,
            clock=self._clock(device),
        )

    def ensemble(
        self,
        n: int = 5,
        *,
        epochs: int | None = None,
        data: Dataset | None = None,
        seed: int | None = None,
        device: str = "auto",
        progress: bool = True,
    ) -> Ensemble:
        """The n best configs of stage 3, each trained as `refit` does, voting together (Appendix: Ensembling).

        Raises:
            ArgumentError: the data is not at hand.
            SearchError: stage 3 has fewer than n finished trials.
        """
        from dnc.models.ensemble import Ensemble

        members = self.top(n, stage=3)
        if len(members) < n:
            raise SearchError(f"n={n} is not possible: stage 3 has {len(members)} finished trials; give a smaller n")
        fitted = [
            self.refit(epochs, data=data, seed=seed, device=device, config=m.config, progress=progress) for m in members
        ]
        return Ensemble(tuple(fitted), self._data(data))

    def _clock(self, device: str) -> Calibration | None:
        """The calibration of the search's clock, if its store is at hand and was used on this machine."""
        engine = select_engine(device, family=self.space.family)
        try:
            row = None if self.store is None else self.store.clock(machine_id(engine), engine.id)
        except StoreError:  # closed since
            row = None
        return None if row is None else Calibration(**{**row, "blocks": ()})

    def _data(self, data: Dataset | None) -> Dataset:
        own = data if data is not None else self.data
        if own is None:
            name = self.spec.get("data", {}).get("name", "the same")
            raise ArgumentError(f"this result was opened without its data: give data=, the data set {name!r}")
        return own

    @property
    def _winner(self) -> Trial | None:
        """The best trial, or None if there is none, for whatever reason."""
        try:
            return self.best.trial
        except DncError:
            return None

    def _card(self) -> Card:
        title = f"search {self.id} ({self.status})"
        return search_card(title, self.visits, self.objective, self._winner, self._n_val)

    def _drawing(self) -> str:
        from dnc.plots.sketch import sketch

        return sketch(self)

    def __str__(self) -> str:
        o = self.objective
        unit = METRICS[o.penalty].unit if o.penalty in METRICS else ""
        return (
            f"search {self.id} ({self.status}): {len(self.table)} trials of {len(self.visits)} steps, "
            f"w_c = {o.wc:g}, penalty {o.penalty} with c_0 = {o.reference:.4g} {unit}\n{self.best}"
        )


def merge(results: Sequence[SearchResult]) -> TrialTable:
    """All trials of several searches, each once."""
    return TrialTable([v for r in results for v in r.visits])
