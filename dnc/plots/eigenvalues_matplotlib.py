"""Least eigenvalues of covariance matrices against omega, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from dnc.plots.palette import INK, MUTED, PAGE, SMALL_SIZE, WC_COLORS
from dnc.plots.style_matplotlib import Picture, picture, style

LINEAR_BELOW = 1e-6  # of the axis of eigenvalues, which is logarithmic beyond, on either side of 0
STYLES = tuple(zip(WC_COLORS.values(), ("o", "s", "D", "^", "v"), strict=True))  # five that tell themselves apart


def draw(least: Mapping[str, tuple[Sequence[float], Sequence[float]]], caption: str) -> Picture:
    """One line for each case.

    Args:
        least: by case, each omega and the least eigenvalue as a share of the number of points.
        caption: below the picture.
    """
    with style():
        figure = picture(PAGE, 3.4)
        axes = figure.subplots()
        axes.set_title("Is the kernel valid?  Least eigenvalue of its matrices")
        axes.axhline(0, color=INK, lw=0.9)
        lowest = min(v for _, values in least.values() for v in values)
        axes.axhspan(min(lowest, -LINEAR_BELOW) * 5, 0, color="#a32440", alpha=0.07, lw=0)
        sizes = range(9, 9 - len(STYLES), -1)  # what coincides is seen behind what is drawn over it
        for (case, (x, values)), (color, marker), size in zip(least.items(), STYLES, sizes, strict=True):
            axes.plot(x, values, color=color, marker=marker, markersize=size, label=case)
        axes.axvline(3, color=MUTED, ls=(0, (4, 2)), lw=0.9)
        axes.annotate(
            "the paper's ω", (3, 0), xycoords=("data", "axes fraction"), xytext=(3, 5), textcoords="offset points",
            fontsize=SMALL_SIZE, color=MUTED,
        )  # fmt: skip
        axes.annotate(
            "not a covariance", (1, 0), xycoords=axes.get_yaxis_transform(), xytext=(-3, -10),
            textcoords="offset points", ha="right", fontsize=SMALL_SIZE, color="#a32440",
        )  # fmt: skip
        omegas = sorted({omega for case_omegas, _ in least.values() for omega in case_omegas})
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(omegas))
        axes.xaxis.set_major_formatter(FixedFormatter([f"{omega:g}" for omega in omegas]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_yscale("symlog", linthresh=LINEAR_BELOW)
        axes.set_ylim(bottom=min(lowest, -LINEAR_BELOW) * 5)
        axes.set_xlabel("scale of the distances ω")
        axes.set_ylabel("least eigenvalue / number of points")
        figure.legend(loc="outside right upper", labelcolor=INK)
        figure.supxlabel(caption, fontsize=SMALL_SIZE, color=MUTED, x=0.01, ha="left")
    return figure
