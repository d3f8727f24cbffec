"""Draw the README's first picture, docs/tradeoff_light.png and docs/tradeoff_dark.png, from a real sweep.

    python tools/draw_first_picture.py [--store FILE]      with a store, a second run trains nothing

Fashion-MNIST (its first 5,000 images to train on, 2,000 to validate), perceptrons, four w_c, the defaults otherwise but
for fewer epochs and steps: a few minutes on two cores. `DNC_DATA` names the folder with the images.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.colors import to_rgb
from matplotlib.ticker import FixedLocator, FuncFormatter, MultipleLocator, NullLocator

import dnc
from dnc.plots.palette import GRID, INK, MUTED, PAPER, wc_color, wc_marker
from dnc.plots.style_matplotlib import DPI, Picture, picture, style
from dnc.searches.sweep import Sweep

FOLDER = Path(__file__).resolve().parents[1] / "docs"
WCS = (0.0, 0.1, 1.0, 10.0)  # what is searched for
SHOWN = (0.0, 0.01, 0.1)  # what is marked: the best at these of all trials, which is sound below the largest aim
THEMES = {  # background, text, secondary text, grid
    "light": (PAPER, INK, MUTED, GRID),
    "dark": ("#0d1117", "#e6edf3", "#9198a1", "#2a3038"),  # those of GitHub's dark pages
}


def search(store: str | None) -> Sweep:
    """The sweep that is drawn."""
    data = dnc.load_data("fmnist", n_train=5000, n_val=2000)
    space = dnc.MLPSpace(hidden_layers=(0, 2), nodes=(20, 400))
    return dnc.sweep(data, space, wcs=WCS, epochs=8, n1=10, n2=10, store=store)


def draw(sweep: Sweep, theme: str) -> Picture:
    """Accuracy against training time: all networks, and the best of them at each w_c."""
    paper, ink, muted, grid = THEMES[theme]
    trials = sweep.trials.query("status == 'ok'")
    best = {wc: sweep.pooled.rescore(wc=wc).best for wc in SHOWN}
    lowest, highest = min(b.val_acc for b in best.values()), max(b.val_acc for b in best.values())
    with style():
        figure = picture(7.6, 3.4)
        figure.set_facecolor(paper)
        axes = figure.add_subplot(facecolor=paper)
        front = sweep.pooled.pareto()
        axes.step(front["t_tr"], front["val_acc"], where="post", color=muted, lw=0.9, ls=(0, (4, 2)))
        axes.scatter(trials["t_tr"], trials["val_acc"], s=13, color=muted, alpha=0.5, linewidths=0)
        for wc, b in best.items():
            color = _seen_on(paper, wc_color(wc))
            axes.scatter(b.t_tr, b.val_acc, s=95, marker=wc_marker(wc), color=color, edgecolors=paper, zorder=4)
            axes.annotate(
                f"$w_c$ = {wc:g}\n{b.val_acc:.1%}, {1000 * b.t_tr:.3g} ms",
                (b.t_tr, b.val_acc),
                xytext=(0, 8),
                textcoords="offset points",
                ha="center",
                va="bottom",
                color=color,
                fontweight="bold",
                linespacing=1.3,
                zorder=5,
            )
        axes.set_xscale("log")
        axes.set_xlim(min(b.t_tr for b in best.values()) / 2.4, float(trials["t_tr"].to_numpy().max()) * 1.4)
        axes.set_ylim(lowest - 0.06, highest + 0.025)
        axes.xaxis.set_major_locator(FixedLocator([0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{1000 * seconds:.3g} ms"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_locator(MultipleLocator(0.02))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
        axes.set_xlabel("training time of one epoch", color=ink)
        axes.set_ylabel("validation accuracy", color=ink)
        points, ratio = 100 * (best[0.0].val_acc - best[0.1].val_acc), best[0.0].t_tr / best[0.1].t_tr
        axes.set_title(
            f"{len(trials)} networks were tried; $w_c$ chooses among them. At 0.1: {points:.1f} points less accuracy, "
            f"{ratio:.0f} times as fast",
            color=ink,
            pad=8,
        )
        axes.tick_params(colors=muted, labelcolor=ink)
        axes.grid(color=grid)
        for spine in axes.spines.values():
            spine.set_color(muted)
    return figure


def _seen_on(paper: str, color: str) -> str | tuple[float, ...]:
    """A color of the palette, which was made for white paper; on a dark one it is mixed with white."""
    return color if paper == PAPER else tuple(0.55 * c + 0.45 for c in to_rgb(color))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", help="where the trials are kept")
    sweep = search(parser.parse_args().store)
    for theme in THEMES:
        with style():
            figure = draw(sweep, theme)
            file = FOLDER / f"tradeoff_{theme}.png"
            figure.savefig(file, dpi=DPI, facecolor=figure.get_facecolor(), metadata={"Software": None})
    print(sweep)


if __name__ == "__main__":
    main()
