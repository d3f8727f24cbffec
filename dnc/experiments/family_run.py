"""Running a family of searches: all on one trial store and one pool of workers, with one estimate and progress bar.

Whatever the store has is looked up, final trainings included, so that a second call trains nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from dnc.evaluation.evaluator import Evaluator
from dnc.evaluation.setup import TrainingSetup
from dnc.experiments.family_plan import Run, Setting
from dnc.experiments.protocol import Notify, Options
from dnc.searches.archive import Store, open_store
from dnc.searches.estimate import duration, estimate_search
from dnc.searches.opening import open_study
from dnc.searches.parallel import MultiProgress, run_all
from dnc.searches.recording import search_id
from dnc.searches.search import run_search
from dnc.searches.settings import Resources
from dnc.trial import Reading, SearchStatus, Trial
from dnc.workers.pool import Workers

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from dnc.config import Config
    from dnc.data.dataset import Dataset
    from dnc.searches.progress import Progress
    from dnc.searches.result import SearchResult


@dataclass(frozen=True)
class Finished:
    """What a run gave.

    Attributes:
        run: the run.
        result: of its search.
        final: the winner, trained on train + validation data; its `val_acc` and `curve` are those of the test set.
        data: the data set as the search saw it.
    """

    run: Run
    result: SearchResult
    final: Trial
    data: Dataset

    @property
    def test_acc(self) -> float:
        """Test accuracy after the last epoch: choosing the best epoch would peek at the test set. NaN if it failed."""
        return self.final.curve[-1].val_acc if self.final.ok else math.nan

    @property
    def search_cost(self) -> float:
        """Seconds of training in all steps of the search, as the clock of t_tr has them.

        What was recorded, `result.search_cost`, is longer while anything else runs on the machine, and the members of
        a family run at different hours.
        """
        trials = (visit.trial for visit in self.result.visits)
        return sum(len(trial.curve) * trial.t_tr for trial in trials if math.isfinite(trial.t_tr))


class DataCache:
    """The data of settings, each read once.

    Args:
        root: the data root.
    """

    def __init__(self, root: Path | None) -> None:
        self._load = lru_cache(maxsize=None)(lambda setting: setting.load(root))
        self._final = lru_cache(maxsize=None)(lambda setting: self._load(setting).final())

    def load(self, setting: Setting) -> Dataset:
        """The data of a setting; raises DataError if it is not there."""
        return self._load(setting)

    def final(self, setting: Setting) -> Dataset:
        """The same for the final training: train on train + validation data, "validate" on the test set."""
        return self._final(setting)


def run_family(
    runs: Sequence[Run], options: Options, name: str, notify: Notify, progress: bool = True
) -> tuple[list[Finished], int]:
    """Do all runs that the store does not have yet; what each gave, in their order, and how many were trained just now.

    Args:
        runs: what to do.
        options: what the user asked for.
        name: of the experiment, for its store.
        notify: told how long it will take.
        progress: show a bar.

    Raises:
        DataError: a data set is not there.
        SearchError: every trial of a stage failed.
        KeyboardInterrupt: interrupted; what is finished is in the store.
    """
    cache = DataCache(options.data_root)
    for run in runs:  # all of them first: data that is not there must not be missed after hours
        cache.load(run.setting)
    with options.resources(name) as (store, workers):
        notify(predict(runs, options, name, cache, store, workers, workers.count))
        bar = MultiProgress([max(1, run.n_new) for run in runs], progress)
        resources = Resources(store=store, workers=workers, device=options.device)

        def one(index: int, stop: threading.Event) -> Finished:
            run = runs[index]
            data, state = cache.load(run.setting), [0, 0, 0]

            def show(moment: Progress) -> None:
                state[:] = moment.done, moment.total + 1, moment.cached  # one more step: the final training
                bar.update(index, *state)

            result = run_search(data, run.setting.space, run.settings, resources, progress=show, stop=stop)
            final = train_final(run, result.best.config, cache.final(run.setting), options, resources, stop.is_set)
            done, total, cached = state
            bar.update(index, done + 1, total, cached + final.cached)
            return Finished(run, result, final, data)

        with bar:
            return run_all(one, len(runs), workers.count), bar.trained


def train_final(
    run: Run, config: Config, data: Dataset, options: Options, resources: Resources, stopped: Callable[[], bool]
) -> Trial:
    """Train a config on train + validation data and test it (Sec. 3.1), or look it up; t_tr is timed to 1 %.

    Args:
        run: gives epochs, seed and clock.
        config: what to train.
        data: `Dataset.final()`.
        options: gives the engine.
        resources: an open store and workers.
        stopped: asked between jobs; True raises KeyboardInterrupt.
    """
    settings, engine = run.settings, options.engine(run.setting.space.family)
    setup = TrainingSetup(data, run.setting.refit_epochs, settings.seed_of_trainings, engine, settings.clock)
    store, workers = resources.store, resources.workers
    assert isinstance(store, Store)  # both are open
    assert isinstance(workers, Workers)
    evaluator = Evaluator(setup, store, workers, stopped=stopped)
    (trial,) = evaluator.time_again([evaluator(config)], Reading.REPORTED)
    return trial


def estimate_family(runs: Sequence[Run], options: Options, name: str) -> str:
    """How long `run_family` will take, in words. Makes no file; an existing store keeps the probe timings."""
    cache, path, count = DataCache(options.data_root), options.store_path(name), options.worker_count()
    # probe timings need no worker processes, and an estimate must not make a file: the timings go to memory
    with Workers(0) as workers:
        if not path.exists():
            with Store() as store:
                return predict(runs, options, name, cache, store, workers, count)
        with open_store(path) as store:
            return predict(runs, options, name, cache, store, workers, count)


def predict(
    runs: Sequence[Run], options: Options, name: str, cache: DataCache, store: Store, workers: Workers, at_a_time: int
) -> str:
    """How long the runs that the store has not finished will take, from a few probe timings for each setting."""
    fractions = finished_fractions(runs, cache, store, workers, options)
    left = [run.n_new * (1 - fraction) for run, fraction in zip(runs, fractions, strict=True)]
    if all(fraction == 1 for fraction in fractions):
        path = options.store_path(name)
        return f"a few seconds: all {len(runs)} searches are in {path}, nothing is trained"
    per_training: Mapping[Setting, float] = {}
    seconds = 0.0
    for run, n_trainings, fraction in zip(runs, left, fractions, strict=True):
        setting, data = run.setting, cache.load(run.setting)
        if fraction == 1:
            continue
        if setting not in per_training:
            resources = Resources(store=store, workers=workers, device=options.device)
            probes = estimate_search(data, setting.space, run.settings, resources)
            per_training = {**per_training, setting: probes.per_training}
        # the final training has more epochs and samples
        longer = setting.refit_epochs / setting.epochs * (1 + data.n_val / data.n_train)
        seconds += (n_trainings + longer) * per_training[setting]
    at_a_time = max(1, at_a_time)
    more = " more, as part of it is in the store" if any(fractions) else ""
    return (
        f"about {duration(seconds / at_a_time)}{more}: {len(runs)} searches, each followed by the final training of "
        f"its winner; up to {round(sum(left)):,} trainings, {at_a_time} at a time"
    )


def finished_fractions(
    runs: Sequence[Run], cache: DataCache, store: Store, workers: Workers, options: Options
) -> list[float]:
    """How much of each run's search the store has, from 0 to 1."""
    searches = store.searches().set_index("id")
    fractions = []
    resources = Resources(store=store, workers=workers, device=options.device)
    for run in runs:
        data, settings = cache.load(run.setting), run.settings
        with open_study(data, run.setting.space, settings, resources) as (study, evaluator, _):
            search = search_id(study, evaluator.setup)
        if search not in searches.index:
            fractions.append(0.0)
        elif searches.at[search, "status"] == SearchStatus.FINISHED:
            fractions.append(1.0)
        else:
            visits = int(searches.at[search, "visits"])  # type: ignore[arg-type]
            fractions.append(min(0.99, visits / (2 * (settings.n1 + settings.n2))))
    return fractions
