"""Progress bars where there is no terminal, or something else in its place."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest

import dnc
from dnc.bars import progress_bar
from dnc.training import clock, paired_timing


class OnlyWrites:
    """As programs put it in the place of stderr, to collect what is written."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


SPACE = dnc.MLPSpace(hidden_layers=(0, 1), nodes=(4, 5), grid_drop=(0.0, 0.2))
DATA = dnc.load_data("digits", n_train=60, n_val=40, n_test=40)


@pytest.mark.usefixtures("counted_clock")
@pytest.mark.parametrize("make", [lambda: None, closed, OnlyWrites], ids=["none", "closed", "only writes"])
def test_a_search_a_sweep_and_a_refit_need_no_terminal(
    make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paired_timing, "MIN_BLOCK", 0.001)  # t_tr need not be exact here
    for limits in ("SCREENING", "PRECISE"):
        monkeypatch.setattr(clock, limits, (3, 3, 0.0, 0.0))
    monkeypatch.setattr(sys, "stderr", make())
    options: dict[str, Any] = {"penalty": "n_params", "epochs": 1, "n1": 1, "n2": 0, "n3": 20, "workers": 0}
    found = dnc.search(DATA, SPACE, wc=0.1, **options)
    assert found.status == "finished"
    assert dnc.sweep(DATA, SPACE, wcs=[0.1], **options)[0.1].best.f == found.best.f
    assert found.refit(1, device="cpu").n_params == found.best.n_params


def test_a_bar_says_what_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = OnlyWrites()
    monkeypatch.setattr(sys, "stderr", stream)
    bar = progress_bar(4, "trial", label="digits")
    bar.update(4)
    bar.close()
    assert "digits: 100%" in stream.text
    assert "4/4" in stream.text
