"""What a search found. f is composed here, when it is read: under another w_c or penalty the same trials rank anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dnc.card import Card, HasCard
from dnc.config import Config
from dnc.errors import ArgumentError, DncError, SearchError, StoreError, check_choice, check_int
from dnc.evaluation.complexity import clock_name
from dnc.files import nan_if_none
from dnc.objective import METRICS, Objective
from dnc.searches.aims import aim_notes, aims_of, caution
from dnc.searches.best import Best
from dnc.searches.cards import objective_facts, search_card, validation_size
from dnc.searches.table import TrialTable, best_visits, visit_frame
from dnc.space import Space
from dnc.store.rows import TrialStore
from dnc.tradeoff import sound_range
from dnc.training.clock import Calibration
from dnc.training.engine import machine_id, select_engine
from dnc.trial import Reading, SearchStatus, Trial, Visit

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from dnc.data.dataset import Dataset
    from dnc.models.ensemble import Ensemble
    from dnc.models.model import Model
    from dnc.plots import Backend
    from dnc.plots.style_matplotlib import Picture


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
    >>> print(cheaper.caution)  # a search aimed at 100 finds better networks there
    aimed at w_c = 0.1, sound at w_c 0.001 to 0.1: a search or sweep with wc=100 finds better networks
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
        rivals = self.table.within_error(self.objective, int(order[0]), self.n_val)
        return replace(self._as_best(self.table.visits[order[0]]), rivals=len(rivals))

    def _as_best(self, visit: Visit) -> Best:
        selected, trial = visit.trial, self._reported(visit.trial)
        f = self.objective.of(trial)
        return Best(
            trial.config,
            trial.val_acc,
            trial.t_tr,
            trial.n_params,
            f,
            visit.stage,
            trial,
            None if trial is selected else selected,
            self.objective,
            self.n_val,
            caution=self.caution,
        )

    def _reported(self, trial: Trial) -> Trial:
        """The trial with the last reading of its t_tr, if it is the one that the search reports."""
        for reported in self._reports:
            if reported["config"] == trial.config.key:
                return replace(
                    trial, t_tr=reported["t_tr"], t_tr_se=nan_if_none(reported["t_tr_se"]), reading=Reading.REPORTED
                )
        return trial

    @property
    def _reports(self) -> Sequence[Mapping[str, Any]]:
        """Last readings of winners' t_tr: of this search, or of a sweep's members."""
        return self.facts.get("reported", ())

    @property
    def n_val(self) -> int | None:
        """Number of validation samples, if it is known."""
        return validation_size(self.spec) if self.data is None else self.data.n_val

    @property
    def trials(self) -> pd.DataFrame:
        """One row per trial, in the order of their first visit, with f under this result's objective."""
        return self.table.with_f(self.objective, self.n_val)

    @property
    def within_error(self) -> pd.DataFrame:
        """The other trials that cannot be told from the best: their f differs by less than two standard errors.

        The errors are those of the column `f_se`. Accuracies on the same validation samples err alike, so that
        differences are known better than this says.
        """
        order = self.table.order(self.objective)
        near = self.table.within_error(self.objective, int(order[0]), self.n_val) if len(order) else []
        return self.trials.iloc[near].sort_values("f")

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

    @property
    def aims(self) -> tuple[float, ...] | None:
        """The w_c at which the searches behind these trials were aimed; () under another penalty, None if unknown."""
        return aims_of(self.spec, self.facts, self.objective)

    @property
    def sound_range(self) -> tuple[tuple[float, float], ...]:
        """Intervals of w_c in which these trials may be ranked, see `dnc.tradeoff.sound_range`."""
        return sound_range(self.aims or ())

    @property
    def caution(self) -> str:
        """What to do where w_c lies outside of `sound_range`, as one sentence; "" inside."""
        return caution(self.aims, self.objective)

    def pareto(self) -> pd.DataFrame:
        """The non-dominated trials in (complexity, error), cheapest first."""
        return self.table.pareto(self.objective, self.n_val)

    def rescore(
        self, wc: float | None = None, penalty: str | None = None, reference: float | None = None
    ) -> SearchResult:
        """The same trials under another w_c, penalty or c_0. Trains nothing.

        Outside of `sound_range` a search that is aimed there (or a sweep with that w_c) finds better networks.

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
        """The exact w_c at which the winner changes: winners with the interval [wc_from, wc_to] of each.

        Outside of `sound_range` they are the best of these trials, but not of what could be found.
        """
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
            row = None if self.store is None else self.store.clock(machine_id(engine), clock_name(engine))
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
    def _best_or_none(self) -> Best | None:
        """The best, or None if there is none, for whatever reason."""
        try:
            return self.best
        except DncError:
            return None

    @property
    def _winner(self) -> Trial | None:
        best = self._best_or_none
        return None if best is None else best.trial

    def _card(self) -> Card:
        title, best = f"search {self.id} ({self.status})", self._best_or_none
        card = search_card(title, self.visits, self.objective, None if best is None else best.trial, self.n_val)
        notes = [] if best is None else [*best._notes(), *aim_notes(self.aims, self.objective)]
        return card._replace(notes=(*card.notes, *notes))

    def _drawing(self) -> str:
        from dnc.plots.sketch import sketch

        return sketch(self)

    def __str__(self) -> str:
        o = self.objective
        _, c_0 = objective_facts(o)[-1]
        notes = "".join(f"\n  {note}" for note in aim_notes(self.aims, o))
        return (
            f"search {self.id} ({self.status}): {len(self.table)} trials of {len(self.visits)} steps, "
            f"w_c = {o.wc:g}, penalty {o.penalty} with c_0 = {c_0}\n{self.best}{notes}"
        )


def merge(results: Sequence[SearchResult]) -> TrialTable:
    """All trials of several searches, each once."""
    return TrialTable([v for r in results for v in r.visits])
