"""What a config costs: N_p is computed, t_tr and registered metrics are looked up, else measured and recorded."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple

from dnc.config import Config, content_hash
from dnc.environment import arithmetic
from dnc.errors import SearchError, short_repr
from dnc.evaluation.setup import TrainingSetup
from dnc.networks.build import build
from dnc.networks.params import count_params
from dnc.objective import METRICS
from dnc.store.rows import TrialStore
from dnc.training.clock import Calibration, Timing
from dnc.training.engine import Engine, machine_id
from dnc.trial import Reading
from dnc.workers.jobs import ClockJob, Failure, Job, TimeJob, failure_reason, has_died
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


class EpochTime(NamedTuple):
    """A measured t_tr with its standard error, both in seconds."""

    t_tr: float
    t_tr_se: float


class ComplexityMeter:
    """The complexity metrics of configs on one data set with one engine.

    Args:
        setup: the data and the engine.
        store: where measurements are looked up and recorded.
        workers: where they are made.
        penalty: a registered metric that is wanted besides t_tr and n_params.
        stopped: asked between jobs; True raises KeyboardInterrupt, what is finished being recorded.
        trial_timeout: seconds that a training may take; None for no limit.

    Attributes:
        failures: why timings failed, by their keys. A failure is not recorded: another run tries again.
    """

    def __init__(
        self,
        setup: TrainingSetup,
        store: TrialStore,
        workers: Workers,
        penalty: str = "t_tr",
        stopped: Callable[[], bool] = lambda: False,
        trial_timeout: float | None = None,
    ) -> None:
        self.setup, self.store, self.workers = setup, store, workers
        self.penalty, self._stopped = penalty, stopped
        self._trial_timeout = trial_timeout
        self._timeout = None if trial_timeout is None else max(trial_timeout, TIMING_SECONDS)
        self.failures: dict[str, str] = {}

    def n_params(self, config: Config) -> int:
        """N_p, in closed form."""
        return count_params(config.arch, self.setup.data.input_shape, self.setup.data.n_classes)

    def t_tr(self, config: Config, reading: Reading = Reading.SCREENED) -> float:
        """Training time of one epoch in seconds, looked up or measured.

        Raises:
            SearchError: it could not be measured.
        """
        key = self.setup.timing_key(config, reading)
        times = self.times([config], reading=reading)
        if key not in times:
            raise SearchError(f"t_tr of {config} could not be measured: {self.failures[key]}")
        return times[key].t_tr

    def times(
        self,
        configs: Sequence[Config],
        retries: Callable[[str], bool] = lambda failure: True,
        reading: Reading = Reading.SCREENED,
    ) -> dict[str, EpochTime]:
        """t_tr by timing key, looked up or measured; those that cannot be measured are left out.

        Args:
            configs: to be timed; equal timing keys (lr and weight decay make no difference) are timed once.
            retries: of the key of a recorded failure, whether its training is to be tried again. Otherwise the
                config needs no timing, which might fail, or run into a time limit, as the training did.
            reading: which of the measurements is wanted.
        """
        times, missing = dict[str, EpochTime](), dict[str, Config]()
        for config in configs:
            key = self.setup.timing_key(config, reading)
            if key in times or key in missing:
                continue
            whole, elsewhere = self.setup.key(config), self.setup.failure_key(config, self._trial_timeout)
            row, failure = self.store.timing_or_failure(key, whole, elsewhere)
            if row is not None:
                times[key] = _epoch_time(row)
            elif key not in self.failures and (failure is None or retries(failure)):
                missing[key] = config
        times.update(self._measured(missing, reading))  # also without any: a stop is noticed there
        return times

    def _measured(self, configs: dict[str, Config], reading: Reading) -> Iterator[tuple[str, EpochTime]]:
        engine, epochs, precise = self.setup.engine, self.setup.epochs, reading is not Reading.SCREENED
        limit, t_ref = self._timeout, self.calibration
        jobs = {TimeJob(c, engine, t_ref, epochs, limit, precise, key): key for key, c in configs.items()}
        for job, answer in self.run_twice(jobs):
            key, config = jobs[job], configs[jobs[job]]
            if isinstance(answer, Timing):
                row = self.store.add_timing(key, self.setup.timing_subject(config, reading), asdict(answer))
                yield key, _epoch_time(row)
            elif isinstance(answer, Failure):
                self.failures[key] = f"{answer.reason} (while timing)"

    def run_twice(self, jobs: Iterable[Job]) -> Iterator[tuple[Any, Any]]:
        """(job, answer) as they finish; a job whose worker died, maybe by another's fault, is run once more."""
        again: list[Job] = []
        for job, answer in self.workers.run(jobs, self.setup.data, self._stopped):
            if has_died(answer):
                again.append(job)
            else:
                yield job, answer
        yield from self.workers.run(again, self.setup.data, self._stopped)

    @cached_property
    def calibration(self) -> Calibration:
        """The step time t_ref of the calibration network on this machine, measured once and kept in the store.

        Raises:
            SearchError: it could not be measured.
        """
        engine = self.setup.engine
        # Kept in the store, since its error is common to all timings: a new value in every run would shift them all.
        # It is common to all clocks (`TrainingSetup.clock`) too: t_tr = r · t_ref, so it cancels in c / c_0, and seeds
        # that share it are as independent in f as if each had its own.
        machine, name = machine_id(engine), clock_name(engine)
        row = self.store.clock(machine, name)
        if row is None:
            ((_, answer),) = list(self.run_twice([ClockJob(engine)]))
            if not isinstance(answer, Calibration):
                raise SearchError(f"the clock could not be calibrated: {getattr(answer, 'reason', answer)}")
            row = self.store.add_clock(machine, name, asdict(answer))
        return Calibration(**{**row, "blocks": ()})  # the blocks stay in the store

    def registered(self, config: Config) -> dict[str, float]:
        """The penalty's value by its name where it is a registered metric; else empty.

        Raises:
            SearchError: its function failed, or gave no finite number >= 0.
        """
        metric, data = METRICS[self.penalty], self.setup.data
        if metric.compute is None:
            return {}
        subject = {
            "metric": metric.name,
            "config": config.to_dict(),
            "input_shape": list(data.input_shape),
            "n_classes": data.n_classes,
            "n_train": data.n_train,
            "machine": machine_id(self.setup.engine) if metric.measured else "",
            **(self.setup.series if metric.measured else {}),
        }
        key = content_hash(subject)
        value = self.store.metric(key)
        if value is None:
            try:
                given = metric.compute(_Subject(config, data.input_shape, data.n_classes, data.n_train))
            except Exception as error:
                raise SearchError(f"metric {metric.name!r} failed for {config} ({failure_reason(error)})") from error
            try:
                value = float(given)
            except (TypeError, ValueError, OverflowError, RuntimeError):  # the last one of tensors
                value = math.nan
            if not (math.isfinite(value) and value >= 0):
                raise SearchError(
                    f"metric {metric.name!r} gave {short_repr(given)} for {config}: it must be a finite number >= 0"
                )
            value = self.store.add_metric(key, metric.name, subject, value)
        return {metric.name: value}

    def references(self, config: Config) -> dict[str, float]:
        """c_0 of every metric that is known here: those of the reference config, its t_tr to 1 %."""
        t_tr = self.t_tr(config, Reading.CONFIRMED)  # its error is common to the f of every trial
        return {"t_tr": t_tr, "n_params": float(self.n_params(config)), **self.registered(config)}


def clock_name(engine: Engine) -> str:
    """What an engine's calibration is called in a store: it belongs to the versions that compute, too."""
    return f"{engine.id} ({arithmetic()})"


def _epoch_time(row: Mapping[str, Any]) -> EpochTime:
    """t_tr of a timing's row; its error stands there as a fraction."""
    t_tr = float(row["t_tr"])
    return EpochTime(t_tr, t_tr * float(row["error"]))
