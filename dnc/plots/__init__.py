"""Pictures, one public call each: plain data (`…_info`) is gathered first, then matplotlib or plotly draws it.

`palette` holds the colors of all of them. A back end is loaded when it first draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, overload

from dnc.errors import check_choice

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from dnc.config import CNN
    from dnc.plots.style_matplotlib import Picture
    from dnc.plots.tradeoff_info import Result
    from dnc.space import CNNSpace

__all__ = ["arms", "kernel", "tradeoff"]

Backend = Literal["matplotlib", "plotly"]
BACKENDS = ("matplotlib", "plotly")


@overload
def tradeoff(
    result: Result, *, wc: float | None = None, penalty: str | None = None, backend: Literal["matplotlib"] = ...
) -> Picture: ...
@overload
def tradeoff(
    result: Result, *, wc: float | None = None, penalty: str | None = None, backend: Literal["plotly"]
) -> go.Figure: ...
@overload
def tradeoff(
    result: Result, *, wc: float | None = None, penalty: str | None = None, backend: Backend
) -> Picture | go.Figure: ...
def tradeoff(
    result: Result, *, wc: float | None = None, penalty: str | None = None, backend: Backend = "matplotlib"
) -> Picture | go.Figure:
    """Error against complexity of every trial of a search: Pareto front, winner, lines of equal f. Trains nothing.

    Args:
        result: what `dnc.search` or `store.result` returned.
        wc, penalty: as in `result.rescore`; None takes the result's own.
        backend: "matplotlib" (for papers) or "plotly" (to hover over and to zoom into).

    Returns:
        A figure that shows itself in a notebook.

    Raises:
        ArgumentError: not a search result, the penalty was not recorded, w_c is negative, or the back end is unknown.
        SearchError: no trial has finished.

    >>> import dnc.plots, numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 5))
    >>> data = dnc.Dataset.from_arrays(x, (x[:, 0] > 0).astype(int))
    >>> result = dnc.search(data, dnc.MLPSpace(), epochs=1, n1=2, n2=0, n3=10, penalty="n_params", progress=False)
    >>> figure = dnc.plots.tradeoff(result, wc=1.0)
    >>> figure.axes[0].get_xlabel()
    'parameter count $N_p$'
    >>> dnc.plots.tradeoff(result, wc=1.0, backend="plotly").layout.xaxis.title.text
    'parameter count <i>N</i><sub>p</sub>'
    """
    check_choice("backend", backend, BACKENDS)
    from dnc.plots.tradeoff_info import tradeoff_info

    info = tradeoff_info(result, wc, penalty)
    if backend == "plotly":
        from dnc.plots.tradeoff_plotly import draw as draw_plotly

        return draw_plotly(info)
    from dnc.plots.tradeoff_matplotlib import draw

    return draw(info)


@overload
def kernel(a: CNN, b: CNN, space: CNNSpace, *, backend: Literal["matplotlib"] = ...) -> Picture: ...
@overload
def kernel(a: CNN, b: CNN, space: CNNSpace, *, backend: Literal["plotly"]) -> go.Figure: ...
@overload
def kernel(a: CNN, b: CNN, space: CNNSpace, *, backend: Backend) -> Picture | go.Figure: ...
def kernel(a: CNN, b: CNN, space: CNNSpace, *, backend: Backend = "matplotlib") -> Picture | go.Figure:
    """How the similarity of two CNNs comes about, layer by layer (Fig. 2).

    Args:
        a, b: the CNNs x_i and x_j; they need not lie in the space.
        space: gives the bounds of the kernel.
        backend: "matplotlib" (for papers) or "plotly" (all numbers of a layer on hover).

    Returns:
        A figure that shows itself in a notebook.

    Raises:
        ArgumentError: not two CNNs, or the back end is unknown.

    >>> import dnc.plots
    >>> x_i, x_j = dnc.CNN(channels=(50, 80)), dnc.CNN(channels=(36, 61, 107))
    >>> figure = dnc.plots.kernel(x_i, x_j, dnc.CNNSpace())
    >>> [axis.get_title(loc="left") for axis in figure.axes][1:3]
    ['distance  $d_k$', 'kernel  $\\\\sigma_k$']
    >>> dnc.plots.kernel(x_i, x_j, dnc.CNNSpace(), backend="plotly").layout.title.text[-12:]
    '<b>0.386</b>'
    """
    check_choice("backend", backend, BACKENDS)
    from dnc.plots.kernel_info import kernel_info

    info = kernel_info(a, b, space)
    if backend == "plotly":
        from dnc.plots.kernel_plotly import draw as draw_plotly

        return draw_plotly(info)
    from dnc.plots.kernel_matplotlib import draw

    return draw(info)


@overload
def arms(
    frame: pd.DataFrame, labels: Mapping[str, str], note: str = "", *, backend: Literal["matplotlib"] = ...
) -> Picture: ...
@overload
def arms(
    frame: pd.DataFrame, labels: Mapping[str, str], note: str = "", *, backend: Literal["plotly"]
) -> go.Figure: ...
@overload
def arms(
    frame: pd.DataFrame, labels: Mapping[str, str], note: str = "", *, backend: Backend
) -> Picture | go.Figure: ...
def arms(
    frame: pd.DataFrame, labels: Mapping[str, str], note: str = "", *, backend: Backend = "matplotlib"
) -> Picture | go.Figure:
    """Ways to search compared on f, with every seed visible, and how f falls during the search (Fig. 7).

    Args:
        frame: one row per step: columns wc, arm, seed, stage, step, best_so_far (f, over all stages of its search).
        labels: the arms in order ("random", "sobol", "balanced", "extreme"), and what they are called.
        note: what the numbers were made with, below the picture.
        backend: "matplotlib" (for papers) or "plotly" (seed, trial and exact f on hover).

    Returns:
        A figure that shows itself in a notebook.

    Raises:
        ArgumentError: a column is missing, there is no row of stage 1 or 3, or an arm or the back end is unknown.

    >>> import dnc.plots, pandas as pd
    >>> rows = [(0.1, "random", 0, 1, 0, 0.30), (0.1, "random", 0, 3, 0, 0.25),
    ...         (0.1, "balanced", 0, 1, 0, 0.28), (0.1, "balanced", 0, 3, 0, 0.20)]
    >>> frame = pd.DataFrame(rows, columns=["wc", "arm", "seed", "stage", "step", "best_so_far"])
    >>> labels = {"random": "random search", "balanced": "balanced BO"}
    >>> figure = dnc.plots.arms(frame, labels)
    >>> [axis.get_ylabel() for axis in figure.axes]
    ['objective f', 'best f so far']
    >>> [trace.y for trace in dnc.plots.arms(frame, labels, backend="plotly").data if trace.mode == "markers"]
    [(0.3,), (0.25,), (0.28,), (0.2,)]
    """
    check_choice("backend", backend, BACKENDS)
    from dnc.plots.arms_info import arms_info

    info = arms_info(frame, labels, note)
    if backend == "plotly":
        from dnc.plots.arms_plotly import draw as draw_plotly

        return draw_plotly(info)
    from dnc.plots.arms_matplotlib import draw

    return draw(info)
