"""The way of a config from `dnc.search` down to its training is short enough to be followed in a debugger."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_search import SPACE, tiny

import dnc
from dnc.workers import jobs

MAX_FRAMES = 10  # from `search` to the training loop, both included
FAMILIES = {"mlp": SPACE, "cnn": dnc.CNNSpace(conv_layers=(2, 3), first_channels=(2, 4), max_channels=8)}


def frames_above() -> list[str]:
    """The functions of dnc that led here from `dnc.search`, outermost first."""
    names, frame = [], sys._getframe(2)
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if Path(dnc.__file__).parent in file.parents:
            names.append(f"{file.stem}.{frame.f_code.co_name}")
        if frame.f_code is dnc.search.__code__:
            return names[::-1]
        frame = frame.f_back
    raise AssertionError("a training was not called from dnc.search")


def recording(loop: Callable[..., Any], chains: list[list[str]]) -> Callable[..., Any]:
    """A training loop that first notes who called it."""

    def train(*args: Any, **keywords: Any) -> Any:
        chains.append([*frames_above(), loop.__name__])
        return loop(*args, **keywords)

    return train


@pytest.mark.usefixtures("counted_clock")
@pytest.mark.parametrize("method", ["paper", "fast"])
@pytest.mark.parametrize("family", FAMILIES)
def test_at_most_ten_frames_lead_from_a_search_to_a_training(
    family: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chains: list[list[str]] = []
    for name in ("train", "train_stack"):  # where jobs look them up
        monkeypatch.setattr(jobs, name, recording(getattr(jobs, name), chains))
    tiny(space=FAMILIES[family], method=method, epochs=1, n1=2, n2=1)
    assert "train" in {chain[-1] for chain in chains}
    longest = max(chains, key=len)
    assert len(longest) <= MAX_FRAMES, " > ".join(longest)


def test_the_frames_of_a_longer_way_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    chains: list[list[str]] = []

    def search() -> None:
        recording(lambda: None, chains)()

    monkeypatch.setattr(dnc, "search", search)
    monkeypatch.setattr(dnc, "__file__", str(Path(__file__).parent / "__init__.py"))
    search()
    assert chains == [["test_call_depth.search", "<lambda>"]]
