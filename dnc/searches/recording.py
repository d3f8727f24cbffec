"""A search as it is recorded: its description and steps go to the store, its progress to whoever watches."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

from dnc.config import Architecture, Config, content_hash
from dnc.data.dataset import Dataset
from dnc.environment import versions
from dnc.evaluation.setup import TrainingSetup
from dnc.files import finite_or_none
from dnc.objective import Objective
from dnc.searches.progress import ProgressOption, Reporter
from dnc.searches.result import SearchResult
from dnc.searches.stages import grid_steps
from dnc.searches.study import Study
from dnc.store.rows import TrialStore
from dnc.training.engine import machine_id, machine_name
from dnc.trial import Reading, SearchStatus, Trial, Visit


class Recording:
    """Observes the visits of one search and keeps them.

    Args:
        study: the search.
        setup: of its trainings.
        store: where it is recorded.
        data: the data set as the user gave it, for the result.
        architecture: whose training hyperparameters alone are searched (transfer); None for all stages.
    """

    def __init__(
        self,
        study: Study,
        setup: TrainingSetup,
        store: TrialStore,
        data: Dataset,
        architecture: Architecture | None = None,
    ) -> None:
        self._study, self._setup, self._store, self._data = study, setup, store, data
        self._architecture = architecture
        self.spec = describe(study, setup, architecture)
        self.id = search_id(study, setup, architecture)
        self.facts: dict[str, Any] = {
            "timings": [],
            "versions": versions(),
            "machine": machine_name(self._setup.engine),
        }
        self._visits: dict[tuple[int, int], Visit] = {}  # by stage and step
        self._objective: Objective | None = None  # known once the search has begun
        self._reporter: Reporter | None = None
        self._started = time.perf_counter()

    def begin(self, references: dict[str, float], objective: Objective, progress: ProgressOption) -> None:
        """The search begins: c_0 has been measured."""
        self.facts["references"] = references
        self._note_timing(self._study.preset(self._study.space.reference()), Reading.CONFIRMED)
        self._store.begin_search(self.id, self.spec, self.facts)
        self._objective = objective
        self._reporter = Reporter(self._planned(), objective, progress, f"w_c={objective.wc:g}")

    def __call__(self, visit: Visit) -> None:
        place = visit.stage, visit.step
        again = place in self._visits  # timed again: no further step
        self._visits[place] = visit
        config = visit.trial.config
        timing = self._setup.timing_key(config, visit.trial.reading)
        confirmed = self._setup.timing_key(config, Reading.CONFIRMED)
        self._store.add_visit(self.id, visit_row(visit, timing), later_timing=confirmed)
        if again:  # its row names this reading now, and the first one was taken too
            self._note_timing(config, Reading.SCREENED)
        if self._reporter is not None and not again:
            self._reporter(visit)

    @property
    def visits(self) -> tuple[Visit, ...]:
        """The steps so far, in order; with workers those of a round come in the order in which they finish."""
        return tuple(self._visits[place] for place in sorted(self._visits))

    def reported(self, trial: Trial) -> None:
        """Keep the last reading of the winner's t_tr."""
        last = {"config": trial.config.key, "t_tr": trial.t_tr, "t_tr_se": finite_or_none(trial.t_tr_se)}
        self.facts["reported"] = [last]
        self._note_timing(trial.config, Reading.REPORTED)

    def _note_timing(self, config: Config, reading: Reading) -> None:
        """Keep the key of a timing that the search took, and that no row of its visits names."""
        self.facts["timings"] = sorted({*self.facts["timings"], self._setup.timing_key(config, reading)})

    def stage_done(self, stage: int, steps: int) -> None:
        """A stage is over: its planned number of steps was an estimate, this is the real one."""
        if self._reporter is not None:
            self._reporter.plan(stage, steps)

    def end(self, status: SearchStatus) -> None:
        """The search is over, in whatever way.

        Raises:
            StoreError: the store cannot be written.
        """
        self.facts["wall_seconds"] = time.perf_counter() - self._started
        if self._reporter is not None:
            self._reporter.close()
        if self._objective is not None:
            self._store.end_search(self.id, status, self.facts, Counter(stage for stage, _ in self._visits))
            self.facts["timing_seconds"] = self._store.timing_seconds(self.id, *self.facts["timings"])

    def result(self, status: SearchStatus) -> SearchResult:
        """What has been found so far."""
        s = self._study.settings
        # Stopped before c_0 was known: without trials any c_0 gives the same, an empty result
        objective = self._objective or Objective(s.wc, s.penalty, s.reference or 1.0)
        return SearchResult(
            self.id, self.spec, self.facts, self._study.space, objective, self.visits, status, self._data, self._store
        )

    def _planned(self) -> dict[int, int]:
        s = self._study.settings
        steps = s.n1 + s.n2
        if self._architecture is not None:
            return {2: 1, 3: steps}
        return {1: steps, 2: grid_steps(self._study.space, s.stage2_order), 3: steps}


def describe(study: Study, setup: TrainingSetup, architecture: Architecture | None) -> dict[str, Any]:
    """What decides the steps of a search, as plain data; its hash names the search in the store."""
    data, engine = setup.data, setup.engine
    return {
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "input_shape": list(data.input_shape),
            "n_classes": data.n_classes,
            "n_train": data.n_train,
            "n_val": data.n_val,
        },
        "family": study.space.family,
        "space": study.space.to_dict(),
        **study.settings.to_dict(),
        "history": content_hash([trial.key for trial in study.history]) if study.history else "",
        "transfer": None if architecture is None else Config(architecture).to_dict()["arch"],
        "engine": engine.id,
        "machine": machine_id(engine),  # its t_tr decides the steps
    }


def search_id(study: Study, setup: TrainingSetup, architecture: Architecture | None = None) -> str:
    """The name of a search in its store."""
    return content_hash(describe(study, setup, architecture))[:12]


def visit_row(visit: Visit, timing: str) -> dict[str, Any]:
    """A visit as the store keeps it; `timing` is the key of its timing."""
    model = {"mu": visit.mu, "sigma": visit.sigma, "ei": visit.ei}
    return {
        "stage": visit.stage,
        "step": visit.step,
        "substage": visit.substage,
        "config": visit.trial.config.to_json(),
        "status": visit.trial.status,
        "reason": visit.trial.reason,
        "training": visit.trial.key,
        "timing": timing,
        "n_params": visit.trial.n_params,
        "metrics": json.dumps(dict(visit.trial.metrics)),
        **{name: finite_or_none(value) for name, value in model.items()},
    }
