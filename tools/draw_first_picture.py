"""Draw the README's first picture, docs/tradeoff_light.png and docs/tradeoff_dark.png, from a real sweep.

    python tools/draw_first_picture.py [--store FILE]      with a store, a second run trains nothing

Fashion-MNIST (its first 5,000 images to train on, 2,000 to validate), perceptrons, four w_c, the defaults otherwise but
for fewer epochs and steps: a few minutes on two cores. `DNC_DATA` names the folder with the images.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.colors import to_rgb
from matplotlib.ticker import FuncFormatter, NullLocator

import dnc
from dnc.card import per_epoch
from dnc.plots.palette import GRID, INK, MUTED, PAPER, wc_color, wc_marker
from dnc.plots.style_matplotlib import DPI, Picture, picture, style
from dnc.searches.sweep import Sweep

FOLDER = Path(__file__).resolve().parents[1] / "docs"
WCS = (0.0, 0.1, 1.0, 10.0)
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
    """Accuracy against training time: all networks, and the one that each w_c chose."""
    paper, ink, muted, grid = THEMES[theme]
    trials = sweep.trials.query("status == 'ok'")
    best = {wc: result.best for wc, result in sweep.results.items()}
    lowest = min(b.val_acc for b in best.values())
    with style():
        figure = picture(7.6, 3.5)
        figure.set_facecolor(paper)
        axes = figure.add_subplot(facecolor=paper)
        shown = trials[trials["val_acc"] > lowest - 0.1]
        axes.scatter(shown["t_tr"], shown["val_acc"], s=13, color=muted, alpha=0.45, linewidths=0)
        for wc, b in best.items():
            color = _seen_on(paper, wc_color(wc))
            axes.scatter(b.t_tr, b.val_acc, s=95, marker=wc_marker(wc), color=color, edgecolors=paper, zorder=4)
            axes.annotate(
                f"$w_c$ = {wc:g}\n{b.val_acc:.1%}, {per_epoch(b.t_tr)}",
                (b.t_tr, b.val_acc),
                xytext=(0, 11),
                textcoords="offset points",
                ha="center",
                va="bottom",
                color=color,
                fontweight="bold",
                linespacing=1.25,
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: per_epoch(seconds)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
        axes.set_xlabel("training time of an epoch", color=ink)
        axes.set_ylabel("validation accuracy", color=ink)
        axes.set_title(
            f"{len(trials)} networks were trained (dots); one number, $w_c$, chooses among them", color=ink, pad=10
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
            draw(sweep, theme).savefig(FOLDER / f"tradeoff_{theme}.png", dpi=DPI, metadata={"Software": None})
    print(sweep)


if __name__ == "__main__":
    main()
