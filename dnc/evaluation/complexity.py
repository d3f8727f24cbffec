"""What a config costs: N_p is computed, t_tr and registered metrics are looked up, else measured and recorded."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dnc.config import Config, content_hash
from dnc.data.dataset import Dataset
from dnc.errors import SearchError
from dnc.networks.build import build
from dnc.networks.params import count_params
from dnc.objective import METRICS
from dnc.store.rows import TrialStore
from dnc.training.clock import Calibration, Timing
from dnc.training.engine import Engine, machine_id
from dnc.workers.jobs import ClockJob, Failure, Job, TimeJob, has_died
from dnc.workers.pool import Workers

TIMING_SECONDS = 30.0  # a timing may take so long whatever `trial_timeout` is


@dataclass(frozen=True)
class _Subject:
    """What a registered complexity metric sees (`dnc.objective.Subject`)."""

    config: Config
    input_shape: tuple[int, ...]
    n_classes: int
    n_train: int

    def build(self) -> Any:
        return build(self.config.arch, self.input_shape, self.n_classes, seed=0).eval()


class Complexities:
    """The complexity metrics of configs on one data set with one engine.

    Args:
        data: as the network family sees it.
        epochs: epochs of a training: a long one deserves a longer timing.
        engine: how to compute.
        store: where measurements are looked up and recorded.
        workers: where they are made.
        penalty: a registered metric that is wanted besides t_tr and n_params.
        stopped: asked between jobs; True raises KeyboardInterrupt, what is finished being recorded.
        trial_timeout: seconds that a training may take; None for no limit.
    """

    def __init__(
        self,
        data: Dataset,
        epochs: int,
        engine: Engine,
        store: TrialStore,
        workers: Workers,
        penalty: str,
        stopped: Callable[[], bool],
        trial_timeout: float | None,
    ) -> None:
        self.data, self.epochs, self.engine, self.store, self.workers = data, epochs, engine, store, workers
        self.penalty, self.stopped, self.trial_timeout = penalty, stopped, trial_timeout
        self._clock: Calibration | None = None
        self._timing_failures: dict[str, str] = {}  # by timing key

    def _run(self, jobs: Iterable[Job]) -> Iterator[tuple[Any, Any]]:
        """Each job with its answer as they finish (see `Workers.run`)."""
        return self.workers.run(jobs, self.data, self.stopped)

    def n_params(self, config: Config) -> int:
        """N_p, in closed form."""
        return count_params(config.arch, self.data.input_shape, self.data.n_classes)

    def timing_subject(self, config: Config) -> dict[str, Any]:
        """What a timing depends on: not on learning rate and weight decay."""
        described = config.to_dict()
        return {
            "family": described["family"],
            "arch": described["arch"],
            "batch_size": min(config.training.batch_size, self.data.n_train),
            "input_shape": list(self.data.input_shape),
            "n_classes": self.data.n_classes,
            "n_train": self.data.n_train,
            "augmentation": self.data.augmentation_id,
            "engine": self.engine.id,
            "machine": machine_id(self.engine),
        }

    def timing_key(self, config: Config) -> str:
        """Name of a config's timing in the store."""
        return content_hash(self.timing_subject(config))

    def _timing_row(self, config: Config) -> dict[str, Any] | None:
        return self.store.timing(self.timing_key(config))

    def t_tr(self, config: Config) -> float:
        """Training time of one epoch in seconds, looked up or measured.

        Raises:
            SearchError: it could not be measured.
        """
        self._time([config] if self._timing_row(config) is None else [])
        row = self._timing_row(config)
        if row is None:
            raise SearchError(
                f"t_tr of {config} could not be measured: {self._timing_failures[self.timing_key(config)]}"
            )
        return float(row["t_tr"])

    def _time(self, configs: Sequence[Config]) -> None:
        keys = {self.timing_key(c): c for c in configs}  # lr and weight decay need no new timing
        unique = [c for key, c in keys.items() if key not in self._timing_failures]
        limit = None if self.trial_timeout is None else max(self.trial_timeout, TIMING_SECONDS)
        jobs: list[Job] = [TimeJob(c, self.engine, self.clock, self.epochs, limit) for c in unique]
        for job, answer in self._run_twice(jobs):
            config = job.config
            if isinstance(answer, Timing):
                self.store.add_timing(self.timing_key(config), self.timing_subject(config), asdict(answer))
            elif isinstance(answer, Failure):
                self._timing_failures[self.timing_key(config)] = f"{answer.reason} (while timing)"

    def _run_twice(self, jobs: list[Job]) -> Iterator[tuple[Any, Any]]:
        """Answers of the jobs; one whose worker died, maybe by another's fault, is run once more."""
        again: list[Job] = []
        for job, answer in self._run(jobs):
            if has_died(answer):
                again.append(job)
            else:
                yield job, answer
        yield from self._run(again)

    @property
    def clock(self) -> Calibration:
        """The reference network's step time on this machine, measured once and kept in the store."""
        if self._clock is None:
            self._clock = self._set_clock()
        return self._clock

    def _set_clock(self) -> Calibration:
        machine = machine_id(self.engine)
        row = self.store.clock(machine, self.engine.id)
        if row is None:
            ((_, answer),) = list(self._run_twice([ClockJob(self.engine)]))
            if not isinstance(answer, Calibration):
                raise SearchError(f"the clock cannot be set: {getattr(answer, 'reason', answer)}")
            row = self.store.add_clock(machine, self.engine.id, asdict(answer))
        return Calibration(**{**row, "blocks": ()})  # the blocks stay in the store

    def metric(self, config: Config) -> float:
        """The registered metric `penalty` of a config, looked up or computed in this process.

        Raises:
            SearchError: its function gave no finite number >= 0.
        """
        metric = METRICS[self.penalty]
        if metric.compute is None:
            return self.t_tr(config) if self.penalty == "t_tr" else float(self.n_params(config))
        subject = {"metric": metric.name, "config": config.to_dict(), "input_shape": list(self.data.input_shape),
                   "n_classes": self.data.n_classes, "n_train": self.data.n_train,
                   "machine": machine_id(self.engine) if metric.measured else ""}  # fmt: skip
        key = content_hash(subject)
        value = self.store.metric(key)
        if value is None:
            value = float(
                metric.compute(_Subject(config, self.data.input_shape, self.data.n_classes, self.data.n_train))
            )
            if not (math.isfinite(value) and value >= 0):
                raise SearchError(
                    f"metric {metric.name!r} gave {value!r} for {config}: it must be a finite number >= 0"
                )
            value = self.store.add_metric(key, metric.name, subject, value)
        return value

    def reference(self, config: Config) -> dict[str, float]:
        """c_0 of every metric this evaluator knows, on the reference config."""
        found = {"t_tr": self.t_tr(config), "n_params": float(self.n_params(config))}
        return found if self.penalty in found else {**found, self.penalty: self.metric(config)}

    def _extra(self, config: Config) -> dict[str, float]:
        return {self.penalty: self.metric(config)} if METRICS[self.penalty].compute is not None else {}
