"""`search` runs the three stages and records them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dnc.bayesopt.acquisition import XI
from dnc.bayesopt.gp import NOISE
from dnc.bayesopt.optimizer import N1, N2, N3
from dnc.config import Architecture
from dnc.data.dataset import Dataset
from dnc.errors import StoreError, check_float
from dnc.evaluation.evaluator import Evaluator
from dnc.searches.archive import Store
from dnc.searches.estimate import shrink_to_fit
from dnc.searches.opening import open_study
from dnc.searches.progress import ProgressOption
from dnc.searches.recording import Recording
from dnc.searches.result import SearchResult
from dnc.searches.settings import (
    Device,
    Method,
    OptimizerName,
    Resources,
    SearchSettings,
    StoreLike,
    Transform,
    WorkersLike,
    pack,
)
from dnc.searches.stages import StageResult, refine_architecture, search_architecture, search_training
from dnc.searches.study import Study
from dnc.space import Space
from dnc.trial import Reading, SearchStatus, Trial, Visit


class SearchStopped(KeyboardInterrupt):
    """A search was stopped (Ctrl-C, or `handle.stop()`); nothing finished is lost.

    Attributes:
        result: what it has so far.
        store: where its trials are: the same call with `store=error.store` goes on.

    >>> issubclass(SearchStopped, KeyboardInterrupt)  # so that `except Exception` does not swallow a Ctrl-C
    True
    """

    def __init__(self, message: str, result: SearchResult, store: Store) -> None:
        super().__init__(message)
        self.result, self.store = result, store

    def __reduce__(self) -> tuple[Any, ...]:
        return SearchStopped, (str(self), self.result, self.store)  # an exception is rebuilt from its message alone


def search(
    data: Dataset,
    space: Space,
    *,
    wc: float = 0.1,
    penalty: str = "t_tr",
    epochs: int | None = None,
    n1: int = N1,
    n2: int = N2,
    n3: int = N3,
    seed: int = 0,
    train_seed: int | None = None,
    clock: int = 0,
    reference: float | None = None,
    store: StoreLike = None,
    workers: WorkersLike = "auto",
    device: Device = "auto",
    method: Method = "paper",
    optimizer: OptimizerName = "bayesian",
    transform: Transform = "log10",
    xi: float = XI,
    noise: float = NOISE,
    batch: int = 1,
    early_stop: bool = False,
    stage2_order: Sequence[str] | None = None,
    history: Sequence[Trial] = (),
    max_hours: float | None = None,
    trial_timeout: float | None = None,
    retry_failed: bool = False,
    progress: ProgressOption = True,
    stop: threading.Event | None = None,
) -> SearchResult:
    """Search architecture and training hyperparameters in three stages (Sec. 2.1), minimizing eq. (1).

    Running the same call again over its store trains nothing and gives the same result; a search that was killed
    goes on where it was.

    Args:
        data: the data set; an MLPSpace sees it flat.
        space: a `CNNSpace` or `MLPSpace`.
        wc: penalty coefficient w_c >= 0; higher values give cheaper networks.
        penalty: "t_tr" (seconds of training per epoch), "n_params", or a registered metric.
        epochs: epochs of each training; None: 100 (CNN) or 60 (MLP).
        n1, n2, n3: initial points, optimization steps, candidates per step, of stages 1 and 3.
        seed: seed of the proposals.
        train_seed: seed of the trainings; None takes `seed`.
        clock: number of the series of timings (see `SearchSettings`).
        reference: c_0; None takes the space's reference config's metric.
        store: file of the trial store, or None to keep trials in memory.
        workers: worker processes: a number, 0 for none, or "auto" for one per core.
        device: "auto", "cpu" or "cuda".
        method: "paper", or "fast": what cannot win is not trained (see `Pruning`).
        optimizer: "bayesian", "sobol" (grid) or "random", for stages 1 and 3.
        transform: "log10" models log10 f, "none" models f.
        xi: exploration of expected improvement ξ.
        noise: noise variance σ_n² of the GP.
        batch: BO proposals evaluated at a time.
        early_stop: end trainings whose learning curves say that they cannot win (see `EarlyStop`).
        stage2_order: stage 2's sub-stages in another order, or some of them.
        history: trials of other searches that the optimizers are told first.
        max_hours: shrink n1 and n2 so that the predicted time fits.
        trial_timeout: seconds that one training may take (see `Resources`); then it is a failed trial.
        retry_failed: train again what the store has as failed, e.g. after a lack of memory.
        progress: True for a bar, or a function of a `Progress`.
        stop: setting this event stops the search as Ctrl-C does.

    Returns:
        A `SearchResult`: best, trials, pareto, rescore, breakpoints, plot, refit, ensemble.

    Raises:
        ArgumentError: a bad argument.
        SearchError: every trial of a stage failed.
        StoreError: the store cannot be used.
        SearchStopped: Ctrl-C or `stop`; a KeyboardInterrupt that carries the partial result.

    >>> import dnc
    >>> data = dnc.load_data("digits", n_train=200, n_val=100)
    >>> result = dnc.search(data, dnc.MLPSpace(nodes=(8, 32)), wc=0.1, penalty="n_params", epochs=1,
    ...                     n1=2, n2=1, workers=0, progress=False)
    >>> result.best.stage in (1, 2, 3)
    True
    """
    settings, resources = pack(locals())
    return run_search(
        data, space, settings, resources, history=history, max_hours=max_hours, progress=progress, stop=stop
    )


def run_search(
    data: Dataset,
    space: Space,
    settings: SearchSettings,
    resources: Resources,
    *,
    history: Sequence[Trial] = (),
    max_hours: float | None = None,
    progress: ProgressOption = True,
    stop: threading.Event | None = None,
    architecture: Architecture | None = None,
) -> SearchResult:
    """What `search` does, with its keywords packed; with an `architecture` stage 3 only (transfer)."""
    seconds = None if max_hours is None else 3600 * check_float("max_hours", max_hours, 0, open_low=True)
    stopped = (stop or threading.Event()).is_set
    with open_study(data, space, settings, resources, history=history, stopped=stopped) as (study, evaluator, store):
        if seconds is not None:
            study = replace(study, settings=shrink_to_fit(study, evaluator, seconds, progress is True))
        recording = Recording(study, evaluator.setup, store, data, architecture)
        study = replace(study, observer=recording)  # every visit is kept as soon as its trial is decided
        status = SearchStatus.FAILED  # unless it gets further, or is stopped
        try:
            # c_0 first: without it there is no f. Until then the store has no row, as nothing has begun.
            recording.begin(study.references, study.objective, progress)
            if architecture is None:
                first = search_architecture(study)
                recording.stage_done(1, len(first.visits))
                second = refine_architecture(study, first)
                recording.stage_done(2, len(second.visits))
            else:
                second = _as_stage2(study, evaluator, architecture)
            third = search_training(study, second)
            _report(study, third, recording)
            status = SearchStatus.FINISHED
        except KeyboardInterrupt:
            status = SearchStatus.STOPPED
            raise _stopped(recording, store) from None
        finally:
            try:
                recording.end(status)
            except StoreError:
                # What stopped the search is to be told, not that the store could not be told of it: its steps say how
                # far it got.
                if status is SearchStatus.FINISHED:
                    raise
        return recording.result(status)


def _as_stage2(study: Study, evaluator: Evaluator, architecture: Architecture) -> StageResult:
    """A given architecture with its preset training, as stage 2 would have left it: stage 3's contender."""
    visit = Visit(2, "transfer", 0, evaluator(study.preset(architecture)))
    study.observer(visit)
    return StageResult(2, (visit,), visit, study.objective, 0.0)


def _report(study: Study, last: StageResult, recording: Recording) -> None:
    """Time the winner once more: the reading that decided is, of several, the one that happened to be small."""
    (winner,) = study.evaluator.time_again([last.best.trial], Reading.REPORTED)
    if winner.reading is Reading.REPORTED:
        recording.reported(winner)


def _stopped(recording: Recording, store: Store) -> SearchStopped:
    finished = f"{len(recording.visits)} finished trials are kept in {store.path or 'memory'}"
    again = "run the same call again" if store.path else "run the same call again with store=error.store"
    message = f"search {recording.id} stopped: {finished}; {again} to go on"
    return SearchStopped(message, recording.result(SearchStatus.STOPPED), store)
