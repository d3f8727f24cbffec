"""What every test stands on: fixed seeds, one thread, no contact with the user's own files."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import hypothesis
import numpy as np
import pytest

DATA_VARIABLE = "DNC_DATA"
HOME_VARIABLES = (
    "HOME",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
)
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

hypothesis.settings.register_profile("dnc", derandomize=True, deadline=None, print_blob=True, database=None)
hypothesis.settings.load_profile("dnc")

_ENVIRONMENT = pytest.StashKey[pytest.MonkeyPatch]()
_HOME = pytest.StashKey[str]()
_DATA = pytest.StashKey[str | None]()


def pytest_configure(config: pytest.Config) -> None:
    """Redirects home and caches, for this process and those it starts, before any test module is imported."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background: children would ignore Ctrl-C too
        signal.signal(signal.SIGINT, signal.default_int_handler)
    environment = pytest.MonkeyPatch()
    home = tempfile.mkdtemp(prefix="dnc-tests-")
    for name in HOME_VARIABLES:
        environment.setenv(name, home)
    for name in THREAD_VARIABLES:  # read by torch and BLAS when they are first loaded
        environment.setenv(name, "1")
    cache = getattr(config, "cache", None)
    if cache is not None:  # building matplotlib's font list takes seconds: keep it between runs
        environment.setenv("MPLCONFIGDIR", str(cache.mkdir("matplotlib")))
    environment.setenv("MPLBACKEND", "Agg")
    config.stash[_ENVIRONMENT], config.stash[_HOME] = environment, home
    config.stash[_DATA] = os.environ.get(DATA_VARIABLE) or None


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_ENVIRONMENT].undo()
    shutil.rmtree(config.stash[_HOME], ignore_errors=True)


@pytest.fixture(autouse=True)
def _same_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test starts from the same global state: no data root, seeded generators, one torch thread."""
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    random.seed(0)
    np.random.seed(0)
    torch = sys.modules.get("torch")  # never imported here: many tests do without
    if torch is not None:
        torch.manual_seed(0)
        torch.set_num_threads(1)


@pytest.fixture
def data_root(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the real data sets, also in the environment of the test; skips without one."""
    text = request.config.stash[_DATA]
    if text is None or not Path(text).is_dir():
        pytest.skip(f"needs real data: set {DATA_VARIABLE} to a folder in torchvision's layout")
    path = Path(text).resolve()
    monkeypatch.setenv(DATA_VARIABLE, str(path))
    return path


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of an installed Chromium; skips without one, but fails in CI, where .ci/run installs it."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path is not None:
            return path
    reason = "needs an installed Chromium, e.g. from apt-get install chromium"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def counted_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that counts instead of measuring: exact and quick. Worker processes use the real one."""

    import dnc
    from dnc.training.clock import Timing

    def count(config, data, engine, reference, epochs=None, precise=False) -> Timing:
        t_tr = 1e-6 * dnc.count_params(config.arch, data.input_shape, data.n_classes)
        t_tr += 1e-3 * data.n_train / config.training.batch_size
        return Timing(t_tr, 1.0, 0.0, (), reference.machine, reference.engine)

    monkeypatch.setattr("dnc.workers.jobs.measure_t_tr", count)
