"""Appendix: where the kernel's matrices are covariances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from dnc.bayesopt.kernel import ChannelKernel
from dnc.experiments.kernel_validity import OMEGAS, KernelValidity, _cnn, cases, least_by_omega, least_eigenvalues
from dnc.experiments.protocol import Options, Record

OPTIONS = Options("smoke", workers=0, device="cpu")


@pytest.fixture(scope="module")
def record() -> Record:
    return KernelValidity({"smoke": (40, 2)}).run(OPTIONS, notify=lambda text: None)


def test_one_row_for_each_matrix(record: Record) -> None:
    frame: Any = record.frame
    assert len(frame) == len(cases()) * len(OMEGAS) * 2 == len(frame.groupby(["case", "omega", "seed"]))
    assert (frame["points"] <= 40).all()
    assert frame["proven"].mean() == 3 / 5


def test_the_eigenvalue_is_that_of_the_kernels_matrix(record: Record) -> None:
    rng = np.random.default_rng(1)
    nets = list(dict.fromkeys(_cnn(rng) for _ in range(40)))
    kernel = ChannelKernel(omega=0.5)
    matrix = np.array([[kernel(*kernel.encode([a, b])[[0, 1], None])[0, 0] for b in nets] for a in nets])
    row: Any = record.frame.query("case == 'CNNs of 1 to 16 layers' and omega == 0.5 and seed == 1")
    assert float(row["least"].iloc[0]) == pytest.approx(np.linalg.eigvalsh(matrix)[0], abs=1e-12)


def test_valid_as_the_paper_uses_it_and_not_for_small_omega(record: Record) -> None:
    verdicts = KernelValidity().claims(record)
    assert [v.verdict for v in verdicts] == ["holds", "holds", "fails"]
    assert verdicts[2].difference.mean < -1e-6
    assert verdicts[0].difference.n == 4 * 2  # four kernels, two sets


def test_a_negative_eigenvalue_refutes(record: Record) -> None:
    frame: Any = record.frame.copy()
    frame.loc[(frame["case"] == "MLPs") & (frame["omega"] == 3), "least"] = -1e-6
    verdicts = KernelValidity().claims(Record(frame, record.facts))
    assert [v.verdict for v in verdicts] == ["fails", "fails", "fails"]
    assert "of MLPs at omega = 3" in verdicts[0].reading


def test_more_points_and_sets_are_other_draws_of_the_same() -> None:
    few: Any
    many: Any
    few, many = least_eigenvalues(10, range(1)), least_eigenvalues(20, range(1))
    # a principal submatrix has no smaller least eigenvalue (Cauchy's interlacing): points are drawn one after another
    assert (many["least"] <= few["least"] + 1e-12).all()


def test_the_picture_shows_the_least_of_each(record: Record) -> None:
    figure = KernelValidity().draw(record)
    axes = figure.axes[0]
    shown = {str(line.get_label()): np.asarray(line.get_ydata()) for line in axes.lines}
    for case, (omegas, values) in least_by_omega(record.frame).items():
        assert len(omegas) == len(OMEGAS)
        assert shown[case].tolist() == values
    assert any(isinstance(c, PolyCollection) for c in axes.collections) or axes.patches
