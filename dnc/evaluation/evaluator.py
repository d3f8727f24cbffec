"""From a config to a trial: look it up, else time and train it, and record what was measured.

Cheapest first: N_p is computed, t_tr is timed, and only then the config is trained. Each measurement is recorded as
soon as it is there, so that nothing finished is lost when the process dies.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import cache
from typing import Any

from dnc.config import MLP, Config, content_hash
from dnc.data.dataset import Dataset
from dnc.evaluation.complexity import Complexities
from dnc.evaluation.early_stop import LimitsFor
from dnc.store.rows import TrialStore
from dnc.training.engine import machine_id, select_engine
from dnc.training.error_limits import ErrorLimits, best_errors, ends_after
from dnc.training.loop import NOT_FINITE, Outcome
from dnc.training.mlp_cpu.direct import stack_key
from dnc.trial import Epoch, Trial
from dnc.workers.jobs import Failure, Job, StackJob, TrainJob, has_died
from dnc.workers.pool import Workers, count_workers

MAX_STACK = 8  # configs trained side by side
STACK_NODES = 100  # up to so many hidden nodes a perceptron is narrow: measured, wider ones gain nothing


class Evaluator(Complexities):
    """Evaluates configs on one data set with one engine; callable, `Config -> Trial`.

    Args:
        data: as the network family sees it.
        epochs: epochs of a training.
        train_seed: seed of a training's random streams.
        store: where measurements are looked up and recorded.
        workers: see `Problem`; a `Workers` is shared and left open.
        device: "auto", "cpu" or "cuda".
        family: "mlp" or "cnn", for the fastest engine that trains it; None is one that trains both.
        penalty: a registered metric that is wanted besides t_tr and n_params.
        stopped: asked between jobs; True raises KeyboardInterrupt, what is finished being recorded.
        trial_timeout: seconds that a training may take; None for no limit.
        retry_failed: train again, once, what is recorded as failed, instead of looking the failure up.
    """

    def __init__(
        self,
        data: Dataset,
        epochs: int,
        train_seed: int = 0,
        store: TrialStore | None = None,
        workers: int | str | Workers = 0,
        device: str = "auto",
        family: str | None = None,
        penalty: str = "t_tr",
        stopped: Callable[[], bool] = lambda: False,
        trial_timeout: float | None = None,
        retry_failed: bool = False,
    ) -> None:
        engine = select_engine(device, family=family)
        self._owns_workers = not isinstance(workers, Workers)
        pool = workers if isinstance(workers, Workers) else Workers(count_workers(workers, engine.device))
        store = store if store is not None else TrialStore()
        super().__init__(data, epochs, engine, store, pool, penalty, stopped, trial_timeout)
        self.train_seed, self._retry_failed, self._retried = train_seed, retry_failed, set[str]()

    def close(self) -> None:
        """End the worker processes, unless they are shared."""
        if self._owns_workers:
            self.workers.close()

    def __call__(self, config: Config) -> Trial:
        return self.many([config])[0]

    def many(self, configs: Sequence[Config]) -> list[Trial]:
        """Trials of the configs, in their order."""
        trials = dict(self.as_finished(configs))
        return [trials[i] for i in range(len(configs))]

    def as_finished(self, configs: Sequence[Config], limits_of: LimitsFor | None = None) -> Iterator[tuple[int, Trial]]:
        """Yield (index, trial) of each config as it finishes; equal ones are trained once. `limits_of`: see `train`."""
        self.measure(configs)
        places: dict[Config, list[int]] = {}
        for index, config in enumerate(configs):
            places.setdefault(config, []).append(index)
        longest_first = sorted(places, key=self._cost, reverse=True)  # so that no worker ends alone
        for number, trial in self.train(longest_first, self.side_by_side(len(places)), limits_of):
            yield from ((index, trial) for index in places[longest_first[number]])

    def side_by_side(self, n: int) -> int:
        """How many of n configs to train in one stack, so that every worker has its share."""
        return min(MAX_STACK, -(-n // (2 * max(1, self.workers.count))))

    def train(
        self, configs: Iterable[Config], side_by_side: int = 1, limits_of: LimitsFor | None = None
    ) -> Iterator[tuple[int, Trial]]:
        """Yield (index, trial) of measured configs as they finish; each is taken when its turn comes.

        What is known is not trained again.

        Args:
            configs: may be an iterator that decides late what comes next.
            side_by_side: how many narrow perceptrons may be taken at once, to be trained in stacks.
            limits_of: the early stop of each planned trial, if any; what it ends has status "ended".
        """

        @cache
        def limits(config: Config) -> ErrorLimits:
            return () if limits_of is None else limits_of(self._planned(config))

        known: deque[tuple[int, Trial]] = deque()
        new: dict[Job, deque[list[tuple[int, Config]]]] = {}  # of each job, in the order of equal ones
        again: list[tuple[int, Config]] = []

        def jobs() -> Iterator[Job]:
            narrow: list[tuple[int, Config]] = []
            for index, config in enumerate(configs):
                trial = self._without_training(config, limits(config))
                if trial is not None:
                    known.append((index, trial))
                elif side_by_side > 1 and self._gains_by_company(config):
                    narrow.append((index, config))
                else:
                    yield add(self._job([config], limits(config)), [(index, config)])
                if len(narrow) >= side_by_side:
                    yield from stacks(narrow)
                    narrow = []
            yield from stacks(narrow)

        def stacks(configs: list[tuple[int, Config]]) -> Iterator[Job]:
            groups: dict[object, list[tuple[int, Config]]] = {}
            for index, config in configs:
                groups.setdefault(stack_key(config, self.data, self.engine), []).append((index, config))
            for members in groups.values():
                yield add(self._job([config for _, config in members]), members)

        def add(job: Job, members: list[tuple[int, Config]]) -> Job:
            new.setdefault(job, deque()).append(members)
            return job

        for job, answer in self._run(jobs()):
            while known:
                yield known.popleft()
            members = new[job].popleft()
            answers = answer if isinstance(answer, tuple) else (answer,)
            if len(answers) != len(members) or has_died(answer):  # maybe another's fault: once more, each alone
                again += members
                continue
            for (index, config), one in zip(members, answers, strict=True):
                yield index, self._record(config, one, limits(config))
        yield from known
        new.clear()
        for job, answer in self._run(add(self._job([config], limits(config)), [(i, config)]) for i, config in again):
            ((index, config),) = new[job].popleft()
            yield index, self._record(config, answer, limits(config))

    def _job(self, configs: list[Config], limits: ErrorLimits = ()) -> Job:
        if len(configs) == 1:
            return TrainJob(configs[0], self.engine, self.epochs, self.train_seed, self.trial_timeout, limits)
        return StackJob(tuple(configs), self.engine, self.epochs, self.train_seed, self.trial_timeout)

    def _gains_by_company(self, config: Config) -> bool:
        """Whether it is a narrow perceptron: those are trained in stacks, wide ones gain nothing."""
        return self.engine.kind == "direct" and isinstance(config.arch, MLP) and sum(config.arch.hidden) <= STACK_NODES

    def _without_training(self, config: Config, limits: ErrorLimits) -> Trial | None:
        """The trial of a config that is recorded, or that could not be timed and so cannot be trained."""
        trial, untimed = self.look_up(config, limits), self._timing_failures.get(self.timing_key(config))
        return self._record(config, Failure(untimed)) if trial is None and untimed is not None else trial

    def measure(self, configs: Sequence[Config]) -> list[Trial]:
        """The configs' complexities, looked up or measured: trials that are planned, without an accuracy."""
        self._time([c for c in dict.fromkeys(configs) if self._timing_row(c) is None and not self._has_failed(c)])
        return [self._planned(c) for c in configs]

    def _planned(self, config: Config) -> Trial:
        row = self._timing_row(config)
        t_tr = float(row["t_tr"]) if row else math.nan
        key = content_hash(self.identity(config))
        return Trial(
            config, math.nan, t_tr, self.n_params(config), status="planned", metrics=self._extra(config), key=key
        )

    # ---- trainings ----------------------------------------------------------------------------------

    def identity(self, config: Config) -> dict[str, Any]:
        """What a training depends on."""
        return {
            "data": self.data.fingerprint,
            "config": config.to_dict(),
            "epochs": self.epochs,
            "train_seed": self.train_seed,
            "engine": self.engine.id,
        }

    def look_up(self, config: Config, limits: ErrorLimits = ()) -> Trial | None:
        """The recorded trial of a config, as it is where these limits hold, or None."""
        full = content_hash(self.identity(config))
        ended = [self._ended_key(config, limits)] if limits else []
        for key in (full, *ended, content_hash(self._circumstances(config))):
            record = self.store.training(key)
            if record is None:
                continue
            if record["status"] == "failed" and self._retry_failed and key not in self._retried:
                return None
            trial = self._trial(config, key, record, cached=True)
            if key == full and ends_after(trial.curve, limits):
                return replace(self._end(config, trial.curve, limits), cached=True)
            return trial
        return None

    def _circumstances(self, config: Config) -> dict[str, Any]:
        """What a failure depends on that is not the config's own: a time limit, a lack of memory, a dead worker.

        Elsewhere, or with another limit, the training is tried.
        """
        return {**self.identity(config), "trial_timeout": self.trial_timeout, "machine": machine_id(self.engine)}

    def _ended_key(self, config: Config, limits: ErrorLimits) -> str:
        return content_hash({**self.identity(config), "error_limits": list(limits)})

    def _has_failed(self, config: Config) -> bool:
        trial = self.look_up(config)
        return trial is not None and not trial.ok

    def _record(self, config: Config, answer: Outcome | Failure, limits: ErrorLimits = ()) -> Trial:
        """Keep what a job gave; the trial, as it is where these limits hold."""
        if isinstance(answer, Failure):
            own = answer.reason.startswith(NOT_FINITE)
            key = content_hash(self.identity(config) if own else self._circumstances(config))
            return self._keep(config, key, "failed", answer.reason)
        ends = ends_after(answer.curve, limits)
        if ends and len(answer.curve) < self.epochs:
            return self._end(config, answer.curve, limits)
        trial = self._keep(config, content_hash(self.identity(config)), "ok", "", answer.curve, answer.val_acc)
        return self._end(config, answer.curve, limits) if ends else trial  # its company trained it to the end

    def _end(self, config: Config, curve: Sequence[Epoch], limits: ErrorLimits) -> Trial:
        """Keep the part of a curve that these limits leave."""
        curve = curve[: ends_after(curve, limits)]
        reason = f"cannot win: error {best_errors(curve)[-1]:.2%} after {len(curve)} of {self.epochs} epochs"
        return self._keep(config, self._ended_key(config, limits), "ended", reason, curve)

    def _keep(
        self,
        config: Config,
        key: str,
        status: str,
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
            "curve": json.dumps([list(asdict(epoch).values()) for epoch in curve]),
            "machine": machine_id(self.engine),
        }
        self._retried.add(key)
        kept = self.store.add_training(key, self.identity(config), record, replace_failed=self._retry_failed)
        return self._trial(config, key, kept, cached=False)

    def _trial(self, config: Config, key: str, record: dict[str, Any], *, cached: bool) -> Trial:
        timing = self._timing_row(config)
        t_tr = timing["t_tr"] if timing else None
        trial = trial_from_record(config, key, record, t_tr, self.n_params(config), self._extra(config))
        return replace(trial, cached=cached)

    def _cost(self, config: Config) -> float:
        row = self._timing_row(config)
        return float(row["t_tr"]) if row else 0.0


def trial_from_record(
    config: Config, key: str, record: dict[str, Any], t_tr: float | None, n_params: int, metrics: dict[str, float]
) -> Trial:
    """The trial that a training's row and its complexity metrics describe; without a t_tr it counts as failed."""
    untimed = t_tr is None and record["status"] == "ok"
    return Trial(
        config=config,
        val_acc=math.nan if record["val_acc"] is None else record["val_acc"],
        t_tr=math.nan if t_tr is None else t_tr,
        n_params=n_params,
        status="failed" if untimed else record["status"],
        reason="t_tr could not be measured" if untimed else record["reason"],
        seconds=record["seconds"],
        curve=tuple(Epoch(*point) for point in json.loads(record["curve"])),
        metrics=metrics,
        key=key,
        cached=True,
    )
