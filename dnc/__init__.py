"""Deep-n-Cheap: search for neural networks that are accurate and cheap to train.

Names are loaded when they are first used, so that `import dnc` is quick and needs neither torch nor pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from dnc import plots
    from dnc.bayesopt.acquisition import expected_improvement, log_expected_improvement
    from dnc.bayesopt.gp import GaussianProcess
    from dnc.bayesopt.optimizer import BayesianOptimizer, RandomSearch, SobolSearch
    from dnc.bayesopt.similarity import Similarity, similarity
    from dnc.citation import cite
    from dnc.config import CNN, MLP, Config, Training
    from dnc.data import Augment, Dataset, data_root, datasets, load_data
    from dnc.errors import ArgumentError, DataError, DncError, SearchError, StoreError
    from dnc.models.ensemble import Ensemble
    from dnc.models.model import Model, load_model
    from dnc.networks.params import count_params
    from dnc.objective import METRICS, Metric, Objective, register_metric
    from dnc.searches.archive import Store, open_store
    from dnc.searches.background import SearchHandle, start
    from dnc.searches.best import Best
    from dnc.searches.estimate import Estimate, estimate
    from dnc.searches.problem import Problem
    from dnc.searches.progress import Progress
    from dnc.searches.result import SearchResult
    from dnc.searches.search import SearchStopped, search
    from dnc.searches.stages import StageResult, stage1, stage2, stage3
    from dnc.searches.sweep import Sweep, sweep
    from dnc.searches.transfer import transfer
    from dnc.space import CNNSpace, MLPSpace, TrainingSpace
    from dnc.trial import Epoch, Trial, Visit
    from dnc.widgets import TradeoffExplorer
    from dnc.workers.pool import Workers

_HOMES = {
    "dnc.bayesopt.acquisition": ("expected_improvement", "log_expected_improvement"),
    "dnc.bayesopt.gp": ("GaussianProcess",),
    "dnc.bayesopt.optimizer": ("BayesianOptimizer", "RandomSearch", "SobolSearch"),
    "dnc.bayesopt.similarity": ("Similarity", "similarity"),
    "dnc.citation": ("cite",),
    "dnc.config": ("CNN", "MLP", "Config", "Training"),
    "dnc.data": ("Augment", "Dataset", "data_root", "datasets", "load_data"),
    "dnc.errors": ("ArgumentError", "DataError", "DncError", "SearchError", "StoreError"),
    "dnc.networks.params": ("count_params",),
    "dnc.objective": ("METRICS", "Metric", "Objective", "register_metric"),
    "dnc.searches.background": ("SearchHandle", "start"),
    "dnc.searches.estimate": ("Estimate", "estimate"),
    "dnc.searches.sweep": ("Sweep", "sweep"),
    "dnc.searches.transfer": ("transfer",),
    "dnc.models.ensemble": ("Ensemble",),
    "dnc.models.model": ("Model", "load_model"),
    "dnc.searches.problem": ("Problem",),
    "dnc.searches.progress": ("Progress",),
    "dnc.searches.best": ("Best",),
    "dnc.searches.result": ("SearchResult",),
    "dnc.searches.search": ("SearchStopped", "search"),
    "dnc.searches.stages": ("StageResult", "stage1", "stage2", "stage3"),
    "dnc.searches.archive": ("Store", "open_store"),
    "dnc.workers.pool": ("Workers",),
    "dnc.space": ("CNNSpace", "MLPSpace", "TrainingSpace"),
    "dnc.trial": ("Epoch", "Trial", "Visit"),
    "dnc.widgets": ("TradeoffExplorer",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted([*_HOME_OF, "__version__", "plots"])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name == "plots":  # `dnc.plots.tradeoff(result)` without a second import
        return importlib.import_module("dnc.plots")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'dnc' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
