"""Appendix "Validity of our covariance kernel": least eigenvalues of covariance matrices, also where no proof reaches.

The paper's proof needs coefficients s_k that are the same for all pairs. They are for MLPs, for training
hyperparameters, and for CNNs of one depth; for CNNs of mixed depth s = 1/(layers of the deeper net) varies from pair
to pair. `dnc.bayesopt.kernel` proves that case for omega >= 2 with the paper's r; here it is looked for numerically.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from dnc.bayesopt.kernel import ChannelKernel, Kernel, NodeKernel, TrainingKernel
from dnc.config import CNN, MLP, Training
from dnc.experiments.output import provenance
from dnc.experiments.protocol import Notify, Options, Record
from dnc.experiments.statistics import FAILS, HOLDS, Interval, Verdict
from dnc.plots.eigenvalues_matplotlib import draw
from dnc.plots.style_matplotlib import Picture

if TYPE_CHECKING:
    import pandas as pd

OMEGAS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
PAPERS_OMEGA = 3.0
ROUNDING = 1e-12  # of an eigenvalue, in units of the number of points
NODES, LAYERS = (20, 400), (0, 2)  # of the paper's MLPs (Sec. 3.2); here of all nodes, 0 … 800
SETTINGS: Mapping[str, tuple[int, int]] = MappingProxyType(  # (points, sets) by scale
    {"smoke": (100, 3), "small": (500, 20), "paper": (1500, 20)}
)


@dataclass(frozen=True)
class Case:
    """A kernel over a kind of points.

    Attributes:
        name: of the case.
        proven: whether the paper's proof covers it.
        kernel: of a given omega.
        point: draws a point.
    """

    name: str
    proven: bool
    kernel: Callable[[float], Kernel]
    point: Callable[[np.random.Generator], Any]


def cases() -> tuple[Case, ...]:
    """All kernels of a search, and what the CNN's becomes with r = 1 in every layer."""
    nodes, layers = (0.0, float(NODES[1] * LAYERS[1])), tuple(map(float, LAYERS))
    return (
        Case("MLPs", True, lambda w: NodeKernel((nodes[0], layers[0]), (nodes[1], layers[1]), w), _mlp),
        Case("training hyperparameters", True, lambda w: TrainingKernel((-5, -6, 32), (-1, -3, 512), w), _training),
        Case("CNNs of 8 layers", True, lambda w: ChannelKernel(omega=w), lambda rng: _cnn(rng, 8)),
        Case("CNNs of 1 to 16 layers", False, lambda w: ChannelKernel(omega=w), lambda rng: _cnn(rng)),
        Case("the same with r = 1", False, lambda w: ChannelKernel(omega=w, r=(1.0,)), lambda rng: _cnn(rng)),
    )


@dataclass(frozen=True)
class KernelValidity:
    """The experiment: random sets of points for each kernel and omega. Nothing is trained."""

    settings: Mapping[str, tuple[int, int]] = field(default_factory=lambda: SETTINGS)
    name: str = "kernel"

    def check(self, options: Options) -> None:
        """Refuse a bad option, although few of them matter here."""
        options.check(self.name)

    def estimate(self, options: Options) -> str:
        """Linear algebra only."""
        n, sets = self.settings[options.scale_name()]
        matrices = len(OMEGAS) * len(cases()) * sets
        return f"seconds to minutes: the eigenvalues of {matrices:,} matrices of {n:,} x {n:,}, nothing is trained"

    def run(self, options: Options, notify: Notify, progress: bool = True) -> Record:
        """The least eigenvalue of each covariance matrix: one row for each kernel, omega and set of points."""
        started = time.perf_counter()
        notify(self.estimate(options))
        n, sets = self.settings[options.scale_name()]
        frame = least_eigenvalues(n, range(options.seed, options.seed + sets))
        facts = {"appendix": "kernel", "points": n, "sets": sets}
        return Record(frame, {**facts, **provenance(options, time.perf_counter() - started)})

    def claims(self, record: Record) -> tuple[Verdict, ...]:
        """The paper's claim under its own settings, and where it ends."""
        frame: Any = record.frame
        return (
            _verdict(
                "Σ is a valid covariance matrix (under the paper's settings, also where its proof does not reach)",
                frame[(frame["omega"] == PAPERS_OMEGA) & (frame["case"] != "the same with r = 1")],
                f"omega = {PAPERS_OMEGA:g}",
            ),
            _verdict("Σ is a valid covariance matrix wherever the proof reaches", frame[frame["proven"]], "any omega"),
            _verdict(
                "Σ is a valid covariance matrix for CNNs of mixed depth and any omega",
                frame[~frame["proven"]],
                "any omega; not claimed by the paper",
            ),
        )

    def summary(self, record: Record) -> str:
        """The least eigenvalue of each case, as a share of the number of points, at a few omega."""
        shown = [0.5, 1.0, PAPERS_OMEGA]
        lines = [f"{'least eigenvalue / number of points':36}" + "".join(f"{f'omega = {w:g}':>14}" for w in shown)]
        for case, (omegas, values) in least_by_omega(record.frame).items():
            least = dict(zip(omegas, values, strict=True))
            lines.append(f"{case:36}" + "".join(f"{least[w]:14.1e}" for w in shown))
        return "\n".join(lines)

    def draw(self, record: Record) -> Picture:
        """Least eigenvalues against omega."""
        return draw(least_by_omega(record.frame), _caption(record.facts))


def least_eigenvalues(n: int, seeds: range) -> pd.DataFrame:
    """Columns case, proven, omega, seed, points (n, repeats left out) and least, the least eigenvalue."""
    import pandas as pd

    def rows() -> Iterator[dict[str, Any]]:
        for case in cases():
            for seed in seeds:
                rng = np.random.default_rng(seed)
                points = list(dict.fromkeys(case.point(rng) for _ in range(n)))
                for omega in OMEGAS:
                    kernel = case.kernel(omega)
                    features = kernel.encode(points)
                    least = float(np.linalg.eigvalsh(kernel(features, features))[0])
                    yield {
                        "case": case.name,
                        "proven": case.proven,
                        "omega": omega,
                        "seed": seed,
                        "points": len(points),
                        "least": least,
                    }

    return pd.DataFrame(rows())


def least_by_omega(frame: Any) -> dict[str, tuple[list[float], list[float]]]:
    """By case: each omega, and the least eigenvalue of all its sets as a share of the number of points."""
    share = frame.assign(least=frame["least"] / frame["points"])
    least = share.groupby(["case", "omega"], sort=False)["least"].min()
    return {
        str(case): ([float(w) for w in least[case].index], [float(v) for v in least[case]])
        for case in dict.fromkeys(frame["case"])
    }


def _verdict(claim: str, frame: Any, where: str) -> Verdict:
    worst = frame.loc[(frame["least"] / frame["points"]).idxmin()]
    least, share = float(worst["least"]), float(worst["least"]) / int(worst["points"])
    valid = share >= -ROUNDING
    return Verdict(
        claim,
        HOLDS if valid else FAILS,
        Interval(least, least, least, len(frame)),
        f"{where}: the least eigenvalue of {len(frame)} matrices is {least:.2g}, "
        f"of {worst['case']} at omega = {worst['omega']:g}",
        f"holds if none is below {-ROUNDING:g} times the number of points (rounding); that none was found is no proof",
    )


def _caption(facts: Mapping[str, Any]) -> str:
    return (
        f"The least of {facts['sets']} random sets of up to {facts['points']:,} points each. "
        "Below 0, the matrix is no covariance."
    )


def _mlp(rng: np.random.Generator) -> MLP:
    return MLP(tuple(int(v) for v in rng.integers(NODES[0], NODES[1] + 1, rng.integers(LAYERS[0], LAYERS[1] + 1))))


def _training(rng: np.random.Generator) -> Training:
    return Training(10.0 ** rng.uniform(-5, -1), 10.0 ** rng.uniform(-6, -3), int(rng.integers(32, 513)))


def _cnn(rng: np.random.Generator, depth: int | None = None) -> CNN:
    """The paper's space (Sec. 3.1), here from one layer on."""
    channels = [int(rng.integers(16, 65))]
    for _ in range(1, depth or int(rng.integers(1, 17))):
        channels.append(int(rng.integers(channels[-1], min(2 * channels[-1], 512) + 1)))
    return CNN(channels=tuple(channels))


EXPERIMENT = KernelValidity()
