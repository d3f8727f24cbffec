"""From a config to a trial: look it up, else time and train it, and record what was measured.

Cheapest first: N_p is computed, t_tr is timed, and only then the config is trained. Each measurement is recorded as
soon as it is there, so that nothing finished is lost when the process dies. The planned trial, which knows its
complexities, is what flows on and becomes the finished one: a timing and a training are read from the store once each.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any, Protocol

from dnc.config import MLP, Config
from dnc.evaluation.complexity import ComplexityMeter, EpochTime
from dnc.evaluation.early_stop import LimitsFor
from dnc.evaluation.setup import TrainingSetup
from dnc.files import nan_if_none
from dnc.store.rows import TrialStore
from dnc.training.engine import machine_id
from dnc.training.error_limits import ErrorLimits, best_errors, ends_after
from dnc.training.loop import NOT_FINITE, Outcome
from dnc.training.mlp_cpu.direct import stack_key
from dnc.trial import Epoch, Reading, Trial, TrialStatus
from dnc.workers.jobs import Failure, Job, StackJob, TrainJob, has_died
from dnc.workers.pool import Workers

MAX_STACK = 8  # configs trained side by side
NOT_TIMED = EpochTime(math.nan, math.nan)
STACK_NODES = 100  # hidden nodes of a narrow perceptron, at most: measured, wider ones gain nothing in a stack


class Evaluation(Protocol):
    """What gives a search its trials: training (`Evaluator`), or a function (`InjectedEvaluator`)."""

    @property
    def early_stopping(self) -> bool:
        """Whether it can end trainings by `limits_for`."""
        ...

    def references(self, config: Config) -> dict[str, float]:
        """c_0 by metric: the complexities of the space's reference config, which is not trained."""
        ...

    def plan(self, configs: Sequence[Config]) -> list[Trial]:
        """The planned trial of each config, with its complexities and without an accuracy."""
        ...

    def time_again(self, trials: Sequence[Trial], reading: Reading) -> list[Trial]:
        """The trials with this reading of their t_tr; one that cannot be timed stays as it is."""
        ...

    def train(self, planned: Iterable[Trial], count: int = 1, limits_for: LimitsFor | None = None) -> Iterator[Trial]:
        """Yield the trials of planned ones, whose configs differ, as they are completed.

        Args:
            planned: what `plan` gave; may be an iterator that decides late what comes next.
            count: how many there are at most.
            limits_for: the early stop of each planned trial, if any; what it ends has the status "ended".
        """
        ...


@dataclass(frozen=True)
class _Planned:
    """A trial that is to be trained, with the limits that may end it."""

    trial: Trial
    limits: ErrorLimits


class Evaluator:
    """Evaluates configs by training them; callable, `Config -> Trial`.

    Args:
        setup: data, epochs, train_seed and engine of the trainings.
        store: where measurements are looked up and recorded; None keeps them in memory.
        workers: where they are made; None makes them in this process.
        penalty: a registered metric that is wanted besides t_tr and n_params.
        stopped: asked between jobs; True raises KeyboardInterrupt, what is finished being recorded.
        trial_timeout: seconds that a training may take; None for no limit.
        retry_failed: train again, once, what is recorded as failed, instead of looking the failure up.
    """

    early_stopping = True

    def __init__(
        self,
        setup: TrainingSetup,
        store: TrialStore | None = None,
        workers: Workers | None = None,
        *,
        penalty: str = "t_tr",
        stopped: Callable[[], bool] = lambda: False,
        trial_timeout: float | None = None,
        retry_failed: bool = False,
    ) -> None:
        self.setup, self.store, self.workers = setup, store or TrialStore(), workers or Workers(0)
        self.complexity = ComplexityMeter(setup, self.store, self.workers, penalty, stopped, trial_timeout)
        self._stopped, self._timeout = stopped, trial_timeout
        self._retry_failed, self._retried = retry_failed, set[str]()

    def __call__(self, config: Config) -> Trial:
        return self.trials([config])[0]

    def trials(self, configs: Sequence[Config]) -> list[Trial]:
        """The trial of each config, in their order; equal configs are trained once."""
        planned = self.plan(list(dict.fromkeys(configs)))
        by_config = {trial.config: trial for trial in self.train(planned, len(planned))}
        return [by_config[config] for config in configs]

    def references(self, config: Config) -> dict[str, float]:
        """See `Evaluation`."""
        return self.complexity.references(config)

    def plan(self, configs: Sequence[Config]) -> list[Trial]:
        """See `Evaluation`. t_tr is NaN where it could not be measured."""
        times = self.complexity.times(configs, self._retries)
        return [self._planned(c, times.get(self.setup.timing_key(c), NOT_TIMED)) for c in configs]

    def time_again(self, trials: Sequence[Trial], reading: Reading) -> list[Trial]:
        """See `Evaluation`. Like every timing, it is recorded, and looked up where it is."""
        times = self.complexity.times([trial.config for trial in trials], reading=reading)
        again = []
        for trial in trials:
            time = times.get(self.setup.timing_key(trial.config, reading))
            again.append(trial if time is None else replace(trial, **time._asdict(), reading=reading))
        return again

    def _planned(self, config: Config, time: EpochTime) -> Trial:
        return Trial(
            config,
            math.nan,
            time.t_tr,
            self.complexity.n_params(config),
            status=TrialStatus.PLANNED,
            metrics=self.complexity.registered(config),
            key=self.setup.key(config),
            t_tr_se=time.t_tr_se,
        )

    def train(self, planned: Iterable[Trial], count: int = 1, limits_for: LimitsFor | None = None) -> Iterator[Trial]:
        """See `Evaluation`. What is recorded is not trained again; narrow perceptrons are trained in stacks."""
        stack_size = min(MAX_STACK, -(-count // (2 * max(1, self.workers.count))))  # every worker has its share
        recorded: deque[Trial] = deque()
        members: dict[Job, list[_Planned]] = {}
        again: list[_Planned] = []

        def jobs() -> Iterator[Job]:
            narrow: list[_Planned] = []
            for trial in planned:
                # Looked up now and not when the round was measured: meanwhile another search on this store may have
                # trained it.
                plan = _Planned(trial, limits_for(trial) if limits_for is not None else ())
                finished = self._without_training(plan)
                if finished is not None:
                    recorded.append(finished)
                elif stack_size > 1 and self._gains_in_a_stack(trial.config):
                    narrow.append(plan)
                else:
                    yield assigned([plan])
                if len(narrow) >= stack_size:
                    yield from stacks(narrow)
                    narrow = []
            yield from stacks(narrow)

        def stacks(plans: list[_Planned]) -> Iterator[Job]:
            groups: dict[object, list[_Planned]] = {}
            for plan in plans:
                groups.setdefault(stack_key(plan.trial.config, self.setup.data, self.setup.engine), []).append(plan)
            for group in groups.values():
                yield assigned(group)

        def assigned(group: list[_Planned]) -> Job:
            job = self._job(group)
            members[job] = group
            return job

        for job, answer in self.workers.run(jobs(), self.setup.data, self._stopped):
            # `jobs` has passed over these since the last answer: they are handed on as soon as possible, since the
            # caller's next decision (what can still win) may depend on them.
            while recorded:
                yield recorded.popleft()
            group = members.pop(job)
            answers = answer if isinstance(answer, tuple) else (answer,)
            if len(answers) != len(group) or has_died(answer):
                # A stack that failed as a whole says nothing of its members, and a worker may have died by
                # another's fault, e.g. when the system ran out of memory: once more, each alone.
                again += group
                continue
            for plan, one in zip(group, answers, strict=True):
                yield self._record(plan, one)
        yield from recorded
        retries = {self._job([plan]): plan for plan in again}
        for job, answer in self.workers.run(retries, self.setup.data, self._stopped):
            yield self._record(retries[job], answer)

    def _job(self, group: Sequence[_Planned]) -> Job:
        epochs, seed, engine = self.setup.epochs, self.setup.train_seed, self.setup.engine
        if len(group) == 1:
            (plan,) = group
            return TrainJob(plan.trial.config, engine, epochs, seed, self._timeout, plan.limits)
        return StackJob(tuple(plan.trial.config for plan in group), engine, epochs, seed, self._timeout)

    def _gains_in_a_stack(self, config: Config) -> bool:
        """Whether it is a narrow perceptron: those are trained in stacks, wide ones gain nothing."""
        direct = self.setup.engine.kind == "direct"
        return direct and isinstance(config.arch, MLP) and sum(config.arch.hidden) <= STACK_NODES

    # ---- looking up and recording ---------------------------------------------------------------------

    def _retries(self, failure: str) -> bool:
        """Whether the training whose failure is recorded under this key is to be tried again: at most once."""
        return self._retry_failed and failure not in self._retried

    def _without_training(self, plan: _Planned) -> Trial | None:
        """The trial of a config that is recorded, or that could not be timed and so cannot be trained."""
        trial = self._look_up(plan)
        if trial is None and math.isnan(plan.trial.t_tr):
            reason = self.complexity.failures.get(self.setup.timing_key(plan.trial.config))
            return None if reason is None else self._record(plan, Failure(reason))
        return trial

    def _look_up(self, plan: _Planned) -> Trial | None:
        """The recorded trial of a config, as it is where the plan's limits hold, or None."""
        config, whole = plan.trial.config, plan.trial.key
        ended = [self.setup.ended_key(config, plan.limits)] if plan.limits else []
        # A whole training comes first: it says more than one that was ended, and a failure elsewhere says nothing then.
        record = self.store.training(whole, *ended, self.setup.failure_key(config, self._timeout))
        if record is None:
            return None
        key = record["key"]
        if record["status"] == TrialStatus.FAILED and self._retries(key):
            return None
        trial = replace(completed_trial(plan.trial, key, record), cached=True)
        # It was trained where other limits, or none, held. Here it counts as what these limits leave of it: otherwise
        # the store's contents would change the search's decisions.
        if key == whole and ends_after(trial.curve, plan.limits):
            return replace(self._end(plan, trial.curve), cached=True)
        return trial

    def _record(self, plan: _Planned, answer: Any) -> Trial:
        """Keep what a job gave; the trial, as it is where the plan's limits hold."""
        config = plan.trial.config
        if isinstance(answer, Failure):
            # A loss that is not finite belongs to the config wherever it is trained. Whatever else went wrong may not
            # happen on another machine, or with more time.
            own = answer.reason.startswith(NOT_FINITE)
            key = plan.trial.key if own else self.setup.failure_key(config, self._timeout)
            return self._keep(plan, key, TrialStatus.FAILED, answer.reason)
        assert isinstance(answer, Outcome)
        ends = ends_after(answer.curve, plan.limits)
        if ends and len(answer.curve) < self.setup.epochs:
            return self._end(plan, answer.curve)
        trial = self._keep(plan, plan.trial.key, TrialStatus.OK, "", answer.curve, answer.val_acc)
        return self._end(plan, answer.curve) if ends else trial  # in a stack it was trained to the end

    def _end(self, plan: _Planned, curve: Sequence[Epoch]) -> Trial:
        """Keep the part of a curve that the plan's limits leave."""
        curve = curve[: ends_after(curve, plan.limits)]
        error, epochs = best_errors(curve)[-1], self.setup.epochs
        reason = f"cannot win: error {error:.2%} after {len(curve)} of {epochs} epochs"
        key = self.setup.ended_key(plan.trial.config, plan.limits)
        return self._keep(plan, key, TrialStatus.ENDED, reason, curve)

    def _keep(
        self,
        plan: _Planned,
        key: str,
        status: TrialStatus,
        reason: str,
        curve: Sequence[Epoch] = (),
        val_acc: float | None = None,
    ) -> Trial:
        """Record a training under `key`, unless that is taken; the trial of the record that now stands."""
        record = {
            "status": status,
            "reason": reason,
            "val_acc": val_acc,
            "seconds": sum(epoch.seconds for epoch in curve),
            "curve": json.dumps([astuple(epoch) for epoch in curve]),
            "machine": machine_id(self.setup.engine),
        }
        self._retried.add(key)
        identity = self.setup.identity(plan.trial.config)
        standing = self.store.add_training(key, identity, record, replace_failed=self._retry_failed)
        return completed_trial(plan.trial, key, standing)


def completed_trial(planned: Trial, key: str, record: Mapping[str, Any]) -> Trial:
    """A planned trial with what a training's row says; without a t_tr it counts as failed."""
    untimed = math.isnan(planned.t_tr) and record["status"] == TrialStatus.OK
    return replace(
        planned,
        val_acc=nan_if_none(record["val_acc"]),
        status=TrialStatus.FAILED if untimed else TrialStatus(record["status"]),
        reason="t_tr could not be measured" if untimed else record["reason"],
        seconds=record["seconds"],
        curve=tuple(Epoch(*point) for point in json.loads(record["curve"])),
        key=key,
    )
