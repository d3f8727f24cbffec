"""One picture is one public call, which loads a back end only when it draws and knows nothing of searches."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from test_tradeoff import make_result

import dnc
from dnc import plots
from dnc.config import CNN, MLP, Config
from dnc.errors import ArgumentError, SearchError
from dnc.objective import Objective
from dnc.plots import arms_info, kernel_info, tradeoff_info
from dnc.plots.style_matplotlib import Picture
from dnc.space import CNNSpace
from dnc.trial import Trial, Visit

FOLDER = Path(plots.__file__).parent
FORBIDDEN = {"searches", "store", "workers", "evaluation", "training", "models", "experiments", "widgets"}
NETS = CNN(channels=(50, 80)), CNN(channels=(36, 61, 107))
ROWS = [(0.1, "random", 0, 1, 0, 0.3), (0.1, "random", 0, 3, 0, 0.2)]
FRAME = pd.DataFrame(ROWS, columns=list(arms_info.COLUMNS))


def draw(picture: str, backend: str) -> Any:
    calls = {
        "tradeoff": lambda: plots.tradeoff(make_result(), backend=backend),  # type: ignore[arg-type]
        "kernel": lambda: plots.kernel(*NETS, CNNSpace(), backend=backend),  # type: ignore[arg-type]
        "arms": lambda: plots.arms(FRAME, {"random": "random"}, backend=backend),  # type: ignore[arg-type]
    }
    return calls[picture]()


@pytest.mark.parametrize("picture", plots.__all__)
def test_every_picture_has_both_back_ends(picture: str) -> None:
    assert isinstance(draw(picture, "matplotlib"), Picture)
    figure = draw(picture, "plotly")
    assert len(figure.data) > 2
    assert isinstance(figure, go.Figure)


@pytest.mark.parametrize("picture", plots.__all__)
def test_an_unknown_back_end_is_refused_in_one_line(picture: str) -> None:
    with pytest.raises(ArgumentError, match=r"^backend='plotli' is unknown: .*did you mean 'plotly'\?$"):
        draw(picture, "plotli")


def test_matplotlib_is_what_is_drawn_without_asking() -> None:
    assert isinstance(plots.tradeoff(make_result()), Picture)
    assert isinstance(plots.kernel(*NETS, CNNSpace()), Picture)
    assert isinstance(plots.arms(FRAME, {"random": "random"}), Picture)


def test_the_calls_draw_what_the_info_says() -> None:
    result = make_result()
    info = tradeoff_info.tradeoff_info(result, 50, "n_params")
    figure: Any = plots.tradeoff(result, wc=50, penalty="n_params", backend="plotly")
    stars = [trace for trace in figure.data if trace.marker.symbol == "star"]
    assert [tuple(star.x) for star in stars] == [(info.points.x[info.winner],)]
    total = kernel_info.kernel_info(*NETS, CNNSpace()).total
    assert f"{total:.3f}" in plots.kernel(*NETS, CNNSpace()).get_suptitle()
    assert "made by hand" in plots.arms(FRAME, {"random": "random"}, "made by hand").get_supxlabel()


def test_what_is_not_a_result_is_refused() -> None:
    for nothing in (None, [1, 2], FRAME):
        with pytest.raises(ArgumentError, match="not a search result"):
            plots.tradeoff(nothing)  # type: ignore[call-overload]
    with pytest.raises(SearchError, match="no finished trial"):
        plots.tradeoff(make_result([]))
    with pytest.raises(ArgumentError, match="cannot be compared"):
        plots.kernel(CNN(channels=(8,)), (8,), CNNSpace())  # type: ignore[call-overload]


class Plain(NamedTuple):
    """The few attributes that the trade-off plot reads of a result, and nothing else."""

    objective: Objective
    trials: tuple[Trial, ...]
    id: str = "plain"
    n_val: int | None = None
    caution: str = ""

    @property
    def table(self) -> Plain:
        return self

    @property
    def visits(self) -> tuple[Visit, ...]:
        return tuple(Visit(1, "", i, trial) for i, trial in enumerate(self.trials))

    def complexity(self, penalty: str) -> np.ndarray:
        return np.array([trial.complexity(penalty) for trial in self.trials])

    def order(self, objective: Objective) -> np.ndarray:
        return np.argsort([objective.of(trial) for trial in self.trials])

    def within_error(self, objective: Objective, best: int, n_val: int | None) -> np.ndarray:
        return np.array([], dtype=int)

    def rescore(self, wc: float | None = None, penalty: str | None = None) -> Plain:
        return self._replace(objective=Objective(wc or 0.0, penalty or "t_tr", 1.0))


def test_plain_data_is_result_enough() -> None:
    trials = tuple(Trial(Config(MLP((n,))), accuracy, n / 100, n) for n, accuracy in ((10, 0.8), (50, 0.9)))
    result = Plain(Objective(0.0, "t_tr", 1.0), trials)
    info = tradeoff_info.tradeoff_info(result)
    assert (info.winner, info.f) == (1, pytest.approx((0.2, 0.1)))
    assert tradeoff_info.tradeoff_info(result, 1.0).winner == 0
    assert isinstance(plots.tradeoff(result), Picture)


LAZY = """
import sys
import dnc.plots
loaded = {"matplotlib", "plotly", "numpy", "pandas", "torch"} & set(sys.modules)
assert not loaded, loaded
from dnc.config import CNN
from dnc.plots import arms_info, kernel_info, palette, tradeoff_info
from dnc.space import CNNSpace
loaded = {"matplotlib", "plotly", "torch"} & set(sys.modules)
assert not loaded, loaded
nets = CNN(channels=(50, 80)), CNN(channels=(36, 61, 107))
dnc.plots.kernel(*nets, CNNSpace(), backend="plotly")
assert "plotly" in sys.modules and "matplotlib" not in sys.modules
dnc.plots.kernel(*nets, CNNSpace(), backend="matplotlib")
assert "matplotlib" in sys.modules and "torch" not in sys.modules
assert "matplotlib.pyplot" not in sys.modules
"""


def test_a_back_end_is_loaded_when_it_first_draws() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", LAZY], check=True, timeout=120)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_pictures_know_nothing_of_searches(path: Path) -> None:
    """A result draws itself, so that an import in the other direction, late or for types only, would be a circle."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    assert not [name for name in names if name.startswith("dnc.") and name.split(".")[1] in FORBIDDEN]


def test_no_file_hides_a_public_call() -> None:
    assert not {path.stem for path in FOLDER.glob("*.py")} & set(plots.__all__)


def test_what_cannot_be_drawn_is_one_line() -> None:
    space = dnc.MLPSpace()
    for a, b in ((dnc.MLP((20,)), dnc.MLP((30,))), (dnc.Training(), dnc.Training())):
        with pytest.raises(dnc.ArgumentError, match=r"give a dnc\.CNN"):
            plots.kernel(a, b, space)  # type: ignore[arg-type]
    with pytest.raises(dnc.ArgumentError, match="is of another kind"):
        plots.kernel(dnc.CNN((8,)), dnc.CNN((9,)), space)  # type: ignore[arg-type]
    rows = [{"wc": 0.1, "arm": "random", "seed": 0, "stage": stage, "step": 0, "best_so_far": f} for stage, f in
            ((1, float("nan")), (3, float("nan")))]  # fmt: skip
    with pytest.raises(dnc.ArgumentError, match="no finite best_so_far"):
        plots.arms(pd.DataFrame(rows), {"random": "random"})
    with pytest.raises(dnc.ArgumentError, match="no step of stage 1 for arm 'random' with seed 0"):
        plots.arms(pd.DataFrame(rows[1:]), {"random": "random"})
