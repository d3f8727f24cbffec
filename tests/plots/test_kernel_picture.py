"""Fig. 2: its plain data has the paper's numbers, and both back ends draw them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dnc.config import CNN
from dnc.errors import ArgumentError
from dnc.plots import kernel_matplotlib, kernel_plotly, palette
from dnc.plots.kernel_info import KernelInfo, kernel_info
from dnc.space import CNNSpace


def paper() -> KernelInfo:
    return kernel_info(CNN(channels=(50, 80)), CNN(channels=(36, 61, 107)), CNNSpace())


def deep() -> KernelInfo:
    return kernel_info(CNN(channels=tuple(range(16, 76, 4))), CNN(channels=(64,)), CNNSpace())


def test_kernel_info_has_the_papers_numbers() -> None:
    info = paper()
    assert [round(t.distance, 3) for t in info.terms] == [0.875, 1.236, 3.0]
    assert [round(t.kernel, 3) for t in info.terms] == [0.682, 0.466, 0.011]
    assert [(t.channels_i, t.channels_j) for t in info.terms] == [(50, 36), (80, 61), (None, 107)]
    assert [(t.low, t.high) for t in info.terms] == [(16, 64), (16, 128), (16, 256)]
    assert sum(t.part for t in info.terms) == pytest.approx(info.total)
    assert round(info.total, 3) == 0.386
    assert info.names == ("[50, 80]", "[36, 61, 107]")


def test_kernel_info_knows_where_things_go() -> None:
    info = paper()
    assert info.sums[0] == 0
    assert np.diff(info.sums) == pytest.approx([t.part for t in info.terms])
    assert info.channel_range == (16, 256)
    assert info.bounds == (16, 64, 128, 256)
    assert [t.shared for t in info.terms] == [True, True, False]
    assert info.terms[2].free_side == "left"  # 107 lies right of 64, the middle between 16 and 256
    assert [x is None for x in info.beside] == [True, True, False]
    assert info.beside[2] == pytest.approx(info.total + 0.02)


def test_a_deep_net_does_not_crowd_the_picture() -> None:
    info = deep()
    assert info.names == ("[16, 20, …, 72]", "[64]")
    assert {t.free_side for t in info.terms[1:]} == {"right"}
    assert set(info.beside) == {info.sums[-1] + 0.02}  # right of the line of the total, which they would cross


def test_kernel_picture_works_for_any_pair() -> None:
    info = deep()
    assert len(info.terms) == 15
    assert len(kernel_matplotlib.draw(info).axes) == 4
    figure: Any = kernel_plotly.draw(info)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert [len(trace.x) for trace in bars] == [15, 15, 15]
    assert list(bars[1].x) == [t.kernel for t in info.terms]


def test_plotly_draws_the_numbers_of_each_layer() -> None:
    info = paper()
    figure: Any = kernel_plotly.draw(info)
    distances, kernels, parts = (trace for trace in figure.data if trace.type == "bar")
    assert list(distances.x) == [t.distance for t in info.terms]
    assert list(distances.marker.opacity) == [0.85, 0.85, 0.45]  # paler where a net lacks the layer
    assert list(kernels.text) == ["0.682", "0.466", "0.011"]
    assert (list(parts.base), list(parts.x)) == (list(info.sums[:-1]), [t.part for t in info.terms])
    assert {trace.marker.color for trace in (distances, kernels, parts)} == {palette.COMPUTED}
    assert len(parts.hovertext) == 3
    assert parts.hovertext[2] == (
        "conv layer 3: x<sub>i</sub>: absent, x<sub>j</sub>: 107<br>"
        "l = 16, u = 256, r = 0.333, ω = 3<br>d = 3.000, σ = 0.011, s = 0.333, s σ = 0.004"
    )
    points = [trace for trace in figure.data if trace.type == "scatter"]
    nets = {trace.marker.color: trace for trace in points if trace.mode == "markers+text"}
    assert list(nets[palette.NET_I].x) == [50, 80]
    assert list(nets[palette.NET_J].x) == [36, 61, 107]
    assert list(nets[palette.NET_J].y) == [0, 1, 2]
    assert nets[palette.NET_I].hovertext[1] == parts.hovertext[1]
    (absent,) = (trace for trace in points if trace.text and "absent" in trace.text[0])
    assert (list(absent.x), list(absent.text)) == ([16], ["absent in x<sub>i</sub>"])


def test_plotly_labels_its_axes_and_names_both_nets() -> None:
    figure: Any = kernel_plotly.draw(paper())
    layout = figure.layout
    assert layout.xaxis.type == "log"
    assert list(layout.xaxis.ticktext) == ["16", "64", "128", "256"]
    assert "log scale" in layout.xaxis.title.text
    assert layout.xaxis4.title.text == "s<sub>k</sub> = 0.333 for every layer"
    assert list(layout.yaxis.ticktext) == ["conv layer 1", "conv layer 2", "conv layer 3"]
    assert layout.yaxis.range[0] > layout.yaxis.range[1]  # the first layer is on top
    for text in ("[50, 80]", "[36, 61, 107]", "0.386"):
        assert text in layout.title.text
    assert layout.template.layout.paper_bgcolor == palette.PAPER


def test_kernel_info_refuses_different_kinds() -> None:
    with pytest.raises(ArgumentError, match="cannot be compared"):
        kernel_info(CNN(channels=(8,)), (8,), CNNSpace())  # type: ignore[arg-type]
