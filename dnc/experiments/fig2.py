"""Figure 2: the similarity of two CNNs under the conv channel kernel, computed and drawn step by step."""

from __future__ import annotations

import math
import numbers
import time
from dataclasses import dataclass
from typing import Any

from dnc.config import CNN
from dnc.experiments.output import provenance
from dnc.experiments.protocol import Notify, Options, Record
from dnc.experiments.statistics import FAILS, HOLDS, Interval, Verdict
from dnc.plots.kernel_info import KernelInfo, LayerTerm, kernel_info
from dnc.plots.kernel_matplotlib import draw
from dnc.plots.style_matplotlib import Picture
from dnc.space import CNNSpace

NETS = CNN(channels=(50, 80)), CNN(channels=(36, 61, 107))
# The paper's numbers, and the decimal places to which it prints them.
PRINTED = {"sigma_1": (0.682, 3), "sigma_2": (0.466, 3), "sigma_3": (0.01, 2), "total": (0.386, 3)}


@dataclass(frozen=True)
class Figure2:
    """The experiment. Nothing is trained, so the numbers are the same at every scale."""

    name: str = "fig2"

    def check(self, options: Options) -> None:
        """Refuse a bad option, although few of them matter here."""
        options.check(self.name)

    def estimate(self, options: Options) -> str:
        """Next to nothing, as nothing is trained."""
        return "about a second: nothing is trained"

    def run(self, options: Options, notify: Notify, progress: bool = True) -> Record:
        """Compute the similarity: one row per conv layer of the deeper network."""
        import pandas as pd

        started = time.perf_counter()
        info = kernel_info(*NETS, CNNSpace())
        frame = pd.DataFrame([{**t._asdict(), "part": t.part} for t in info.terms])
        frame = frame.astype({"channels_i": "Int64", "channels_j": "Int64"})  # whole numbers, or NA for a missing layer
        facts = {"figure": "2", "omega": info.omega, "total": info.total}
        return Record(frame, {**facts, **provenance(options, time.perf_counter() - started)})

    def info(self, record: Record) -> KernelInfo:
        """Plain data of the picture."""
        rows: Any = record.frame.itertuples()
        terms = tuple(
            LayerTerm(
                int(row.layer),
                _channels(row.channels_i),
                _channels(row.channels_j),
                row.low,
                row.high,
                row.r,
                row.distance,
                row.kernel,
                row.weight,
            )
            for row in rows
        )
        return KernelInfo(terms, float(record.facts["omega"]), float(record.facts["total"]))

    def claims(self, record: Record) -> tuple[Verdict, ...]:
        """The four numbers that the paper prints."""
        info = self.info(record)
        computed = {**{f"sigma_{t.layer}": t.kernel for t in info.terms}, "total": info.total}
        differences = [round(computed[name], digits) - value for name, (value, digits) in PRINTED.items()]
        largest = max(differences, key=abs)
        return (
            Verdict(
                "σ1 = 0.682, σ2 = 0.466, σ3 = 0.01; combining these yields 0.386",
                HOLDS if largest == 0 else FAILS,
                Interval(largest, largest, largest, len(differences)),
                "computed: " + ", ".join(f"{name} = {computed[name]:.4f}" for name in PRINTED),
                "exact: computed minus printed, to the printed digits",
            ),
        )

    def summary(self, record: Record) -> str:
        """Nothing: its only claim has all the numbers."""
        return ""

    def draw(self, record: Record) -> Picture:
        """Fig. 2."""
        return draw(self.info(record))


def _channels(value: Any) -> int | None:
    """Channels of a layer; None where the network has no such layer (NaN or pandas.NA in a frame)."""
    return int(float(value)) if isinstance(value, numbers.Real) and math.isfinite(value) else None


EXPERIMENT = Figure2()
