"""`transfer` repeats stage 3 on other data with the architecture that a search found (Sec. 4.1)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dnc.data.dataset import Dataset
from dnc.searches.progress import ProgressOption
from dnc.searches.result import SearchResult
from dnc.searches.search import run_search
from dnc.searches.settings import (
    Device,
    Method,
    OptimizerName,
    Resources,
    SearchSettings,
    StoreLike,
    Transform,
    WorkersLike,
)


def transfer(
    result: SearchResult,
    data: Dataset,
    *,
    wc: float | None = None,
    penalty: str | None = None,
    epochs: int | None = None,
    n1: int | None = None,
    n2: int | None = None,
    n3: int | None = None,
    seed: int | None = None,
    train_seed: int | None = None,
    clock: int | None = None,
    reference: float | None = None,
    store: StoreLike = None,
    workers: WorkersLike = "auto",
    device: Device = "auto",
    method: Method | None = None,
    optimizer: OptimizerName | None = None,
    transform: Transform | None = None,
    xi: float | None = None,
    noise: float | None = None,
    batch: int | None = None,
    early_stop: bool | None = None,
    stage2_order: Sequence[str] | None = None,
    trial_timeout: float | None = None,
    retry_failed: bool = False,
    progress: ProgressOption = True,
    stop: threading.Event | None = None,
) -> SearchResult:
    """Search transfer (Sec. 4.1): keep the architecture that `result` found and repeat stage 3 on other data.

    Args:
        result: a search whose winner's architecture is used; input shape and classes are the new data's.
        data: the other data set.
        wc, penalty, epochs, n1, n2, n3, seed, train_seed, clock, method, optimizer, transform, xi, noise, batch,
            early_stop: None takes those of `result` (w_c and penalty: those that it is ranked by).
        reference: c_0; None takes the metric of the space's reference config on the other data.
        stage2_order: of no effect, as stage 2 is not run; recorded with the search.

    The other arguments, what is returned and what is raised are those of `search`.

    >>> import dnc
    >>> data = dnc.load_data("digits", n_train=200, n_val=100)
    >>> result = dnc.search(data, dnc.MLPSpace(nodes=(8, 32)), penalty="n_params", epochs=1, n1=2, n2=1,
    ...                     workers=0, progress=False)
    >>> moved = dnc.transfer(result, dnc.load_data("digits", n_train=300, n_val=100), workers=0, progress=False)
    >>> moved.best.config.arch == result.best.config.arch
    True
    """
    objective = result.objective
    given: dict[str, Any] = {
        "wc": objective.wc if wc is None else wc,
        "penalty": objective.penalty if penalty is None else penalty,
        "epochs": epochs,
        "n1": n1,
        "n2": n2,
        "n3": n3,
        "seed": seed,
        "train_seed": train_seed,
        "clock": clock,
        "method": method,
        "optimizer": optimizer,
        "transform": transform,
        "xi": xi,
        "noise": noise,
        "batch": batch,
        "early_stop": early_stop,
    }
    own = {"reference": reference, "stage2_order": stage2_order}
    changed = {name: value for name, value in given.items() if value is not None}
    settings = replace(SearchSettings.from_dict(result.spec), **changed, **own)
    if seed is not None and train_seed is None:
        settings = replace(settings, train_seed=None)  # it follows the seed that was given
    resources = Resources(
        store=store, workers=workers, device=device, trial_timeout=trial_timeout, retry_failed=retry_failed
    )
    return run_search(
        data, result.space, settings, resources, progress=progress, stop=stop, architecture=result.best.config.arch
    )
