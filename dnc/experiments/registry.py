"""Every figure and table of the paper: what can be reproduced now, and how long it takes."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dnc.errors import ArgumentError, check_choice
from dnc.experiments.scale import SCALES

if TYPE_CHECKING:
    from dnc.experiments.protocol import Experiment

READY, PLANNED, DIAGRAM = "ready", "planned", "diagram"
KINDS = ("figure", "table", "appendix")


@dataclass(frozen=True)
class Entry:
    """A figure, table or appendix of the paper.

    Attributes:
        kind, key: how the command line names it, e.g. "figure" and "7".
        title: what it shows.
        module: dotted name of the module with its `EXPERIMENT`; empty if it cannot be reproduced yet.
        time: how long it takes, by scale, as measured on two CPU cores ("paper": on one GPU).
        diagram: True for a drawing that shows no numbers.

    >>> entry = find("figure", "2")
    >>> entry.name, entry.status, entry.load().name
    ('Figure 2', 'ready', 'fig2')
    """

    kind: str
    key: str
    title: str
    module: str = ""
    time: Mapping[str, str] = field(default_factory=dict)
    diagram: bool = False

    @property
    def status(self) -> str:
        """One of READY, PLANNED and DIAGRAM."""
        return READY if self.module else DIAGRAM if self.diagram else PLANNED

    @property
    def name(self) -> str:
        """What people call it, e.g. "Figure 7"."""
        return f"{self.kind.capitalize()} {self.key}" if self.kind != "appendix" else f"Appendix {self.key}"

    def load(self) -> Experiment:
        """The experiment.

        Raises:
            ArgumentError: it cannot be reproduced yet, or never.
        """
        if self.diagram:
            raise ArgumentError(f"{self.name} is a diagram ({self.title.lower()}): there is nothing to compute")
        if not self.module:
            ready = ", ".join(e.name for e in ENTRIES if e.module)
            raise ArgumentError(f"{self.name} comes with a later release; ready are {ready} (see --list)")
        # by name, so that one experiment does not import what all the others need
        return importlib.import_module(self.module).EXPERIMENT


ENTRIES = (
    Entry("figure", "1", "The three stages of the search", diagram=True),
    Entry(
        "figure", "2", "Similarity of two CNNs, step by step", "dnc.experiments.fig2",
        dict.fromkeys(SCALES, "1 s"),
    ),
    Entry(
        "figure", "3", "CNN families for different w_c", "dnc.experiments.fig3",
        {"smoke": "2 min", "small": "90 min, predicted", "paper": "GPU weeks"},
    ),
    Entry(
        "figure", "4", "MLP families for different w_c, penalties t_tr and N_p", "dnc.experiments.fig4",
        {"smoke": "1-2 min", "small": "90 min, predicted", "paper": "GPU days"},
    ),
    Entry("figure", "5", "Search transfer between data sets"),
    Entry("figure", "6", "Greedy against non-greedy search"),
    Entry(
        "figure", "7", "Bayesian optimization against random and grid search", "dnc.experiments.fig7",
        {"smoke": "1-2 min", "small": "20 min, predicted", "paper": "GPU days"},
    ),
    Entry("figure", "8", "Single networks against ensembles"),
    Entry("table", "1", "Features of AutoML frameworks"),
    Entry("table", "2", "Frameworks compared on CNNs for CIFAR-10"),
    Entry("table", "3", "Frameworks compared on MLPs"),
    Entry(
        "appendix", "kernel", "Validity of the kernel", "dnc.experiments.kernel_validity",
        {"smoke": "2 s", "small": "2 min", "paper": "15 min"},
    ),
    Entry("appendix", "bo-hyperparameters", "Hyperparameters of Bayesian optimization"),
    Entry("appendix", "platforms", "CPU against GPU"),
    Entry("appendix", "ensembling", "Ensembles of the n best configs"),
)  # fmt: skip


def find(kind: str, key: str) -> Entry:
    """The entry that the command line names.

    Raises:
        ArgumentError: there is no such entry.
    """
    check_choice("kind", kind, KINDS)
    entries = {e.key: e for e in ENTRIES if e.kind == kind}
    return entries[check_choice(kind, key, entries)]


def ready() -> tuple[Entry, ...]:
    """The entries that can be reproduced now."""
    return tuple(e for e in ENTRIES if e.module)


def listing() -> str:
    """All entries as a text table."""
    rows = [("", "what it shows", "status", *SCALES)]
    rows += [(e.name, e.title, e.status, *(e.time.get(s, "-") for s in SCALES)) for e in ENTRIES]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
