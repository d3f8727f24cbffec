"""From a config to a trial: look it up, else time and train it, and record what was measured.

Cheapest first: N_p is computed, t_tr is timed, and only then the config is trained. Each measurement is recorded as
soon as it is there, so that nothing finished is lost when the process dies.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

from dnc.config import MLP, Config, content_hash
from dnc.data.dataset import Dataset
from dnc.errors import SearchError
from dnc.networks.build import build
from dnc.networks.params import count_params
from dnc.objective import METRICS
from dnc.searches.jobs import ClockJob, Failure, Job, StackJob, TimeJob, TrainJob
from dnc.searches.store import Store
from dnc.searches.workers import Workers, count_workers
from dnc.training.clock import ReferenceTime, Timing
from dnc.training.engine import machine_id, select_engine
from dnc.training.loop import Outcome
from dnc.trial import Epoch, Trial

MAX_STACK = 8  # configs trained side by side
STACK_NODES = 100  # up to so many hidden nodes a perceptron is narrow: measured, wider ones gain nothing
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


class Evaluator:
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
        store: Store | None = None,
        workers: int | str | Workers = 0,
        device: str = "auto",
        family: str | None = None,
        penalty: str = "t_tr",
        stopped: Callable[[], bool] = lambda: False,
        trial_timeout: float | None = None,
        retry_failed: bool = False,
    ) -> None:
        self.data, self.epochs, self.train_seed, self.penalty, self.stopped = data, epochs, train_seed, penalty, stopped
        self.trial_timeout, self._retry_failed, self._retried = trial_timeout, retry_failed, set[str]()
        self.engine = select_engine(device, family=family)
        self.store = store if store is not None else Store()
        self._owns_workers = not isinstance(workers, Workers)
        self.workers = workers if isinstance(workers, Workers) else Workers(count_workers(workers, self.engine.device))

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

    def as_finished(self, configs: Sequence[Config]) -> Iterator[tuple[int, Trial]]:
        """Yield (index, trial) of each config as it finishes; equal configs are trained once."""
        self.measure(configs)
        places: dict[Config, list[int]] = {}
        for index, config in enumerate(configs):
            places.setdefault(config, []).append(index)
        longest_first = sorted(places, key=self._cost, reverse=True)  # so that no worker ends alone
        side_by_side = min(MAX_STACK, -(-len(places) // (2 * max(1, self.workers.count))))
        for number, trial in self.train(longest_first, side_by_side):
            yield from ((index, trial) for index in places[longest_first[number]])

    def train(self, configs: Iterable[Config], side_by_side: int = 1) -> Iterator[tuple[int, Trial]]:
        """Yield (index, trial) of measured configs as they finish; each is taken when its turn comes.

        What is known is not trained again.

        Args:
            configs: may be an iterator that decides late what comes next.
            side_by_side: how many configs may be taken at once, to train narrow perceptrons in stacks.
        """
        known: deque[tuple[int, Trial]] = deque()
        new: list[list[tuple[int, Config]]] = []  # of each job
        again: list[tuple[int, Config]] = []

        def jobs() -> Iterator[Job]:
            source = enumerate(configs)
            while taken := list(islice(source, side_by_side)):
                unknown: list[tuple[int, Config]] = []
                for index, config in taken:
                    trial = self._without_training(config)
                    if trial is None:
                        unknown.append((index, config))
                    else:
                        known.append((index, trial))
                for members in self._stacks(unknown):
                    new.append(members)
                    yield self._job([config for _, config in members])

        for number, answer in self._run(jobs()):
            while known:
                yield known.popleft()
            members = new[number]
            answers = answer if isinstance(answer, tuple) else (answer,)
            if len(answers) != len(members):  # a stack that died takes none of its members with it
                again += members
                continue
            for (index, config), one in zip(members, answers, strict=True):
                yield index, self._record(config, one)
        yield from known
        for number, answer in self._run(self._job([config]) for _, config in again):
            index, config = again[number]
            yield index, self._record(config, answer)

    def _job(self, configs: list[Config]) -> Job:
        if len(configs) == 1:
            return TrainJob(configs[0], self.engine, self.epochs, self.train_seed, self.trial_timeout)
        return StackJob(tuple(configs), self.engine, self.epochs, self.train_seed, self.trial_timeout)

    def _stacks(self, configs: list[tuple[int, Config]]) -> list[list[tuple[int, Config]]]:
        """Narrow perceptrons of equal batch size together, everything else alone: wide ones gain nothing."""
        groups: dict[object, list[tuple[int, Config]]] = {}
        for index, config in configs:
            narrow = isinstance(config.arch, MLP) and sum(config.arch.hidden) <= STACK_NODES
            stackable = narrow and self.engine.kind == "direct"
            groups.setdefault(config.training.batch_size if stackable else (index,), []).append((index, config))
        return list(groups.values())

    def _without_training(self, config: Config) -> Trial | None:
        """The trial of a config that is recorded, or that could not be timed and so cannot be trained."""
        trial, untimed = self.look_up(config), self._timing_failures.get(self.timing_key(config))
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

    def _run(self, jobs: Iterable[Job]) -> Iterator[tuple[int, Any]]:
        """Answers of the jobs as they finish.

        Raises:
            KeyboardInterrupt: it was stopped before the last one.
        """
        yield from self.workers.run(jobs, self.data, self.stopped)
        if self.stopped():
            raise KeyboardInterrupt

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

    def look_up(self, config: Config) -> Trial | None:
        """The recorded trial of a config, or None."""
        key = content_hash(self.identity(config))
        record = self.store.training(key)
        if record is None or (record["status"] == "failed" and self._retry_failed and key not in self._retried):
            return None
        return self._trial(config, key, record, cached=True)

    def _has_failed(self, config: Config) -> bool:
        trial = self.look_up(config)
        return trial is not None and not trial.ok

    def _record(self, config: Config, answer: Outcome | Failure) -> Trial:
        identity = self.identity(config)
        key = content_hash(identity)
        ok = isinstance(answer, Outcome)
        record = {
            "status": "ok" if ok else "failed",
            "reason": "" if ok else answer.reason,
            "val_acc": answer.val_acc if ok else None,
            "seconds": answer.seconds if ok else 0.0,
            "curve": json.dumps([list(asdict(epoch).values()) for epoch in answer.curve] if ok else []),
            "machine": machine_id(self.engine),
        }
        self._retried.add(key)
        kept = self.store.add_training(key, identity, record, replace_failed=self._retry_failed)
        return self._trial(config, key, kept, cached=False)

    def _trial(self, config: Config, key: str, record: dict[str, Any], *, cached: bool) -> Trial:
        timing = self._timing_row(config)
        t_tr = timing["t_tr"] if timing else None
        trial = trial_from_record(config, key, record, t_tr, self.n_params(config), self._extra(config))
        return replace(trial, cached=cached)

    def _extra(self, config: Config) -> dict[str, float]:
        return {self.penalty: self.metric(config)} if METRICS[self.penalty].compute is not None else {}

    # ---- complexity ---------------------------------------------------------------------------------

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
        unique = list({self.timing_key(c): c for c in configs}.values())  # lr and weight decay need no new timing
        limit = None if self.trial_timeout is None else max(self.trial_timeout, TIMING_SECONDS)
        jobs: list[Job] = [TimeJob(c, self.engine, self.clock, self.epochs, limit) for c in unique]
        for number, answer in self._run(jobs):
            config = unique[number]
            if isinstance(answer, Timing):
                self.store.add_timing(self.timing_key(config), self.timing_subject(config), asdict(answer))
            elif isinstance(answer, Failure):
                self._timing_failures[self.timing_key(config)] = f"{answer.reason} (while timing)"

    @cached_property
    def _timing_failures(self) -> dict[str, str]:
        return {}

    @cached_property
    def clock(self) -> ReferenceTime:
        """The reference network's step time on this machine, measured once and kept in the store."""
        machine = machine_id(self.engine)
        row = self.store.clock(machine, self.engine.id)
        if row is None:
            ((_, answer),) = list(self._run([ClockJob(self.engine)]))
            if not isinstance(answer, ReferenceTime):
                raise SearchError(f"the clock cannot be set: {getattr(answer, 'reason', answer)}")
            row = self.store.add_clock(machine, self.engine.id, asdict(answer))
        return ReferenceTime(**{**row, "blocks": ()})  # the blocks stay in the store

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
