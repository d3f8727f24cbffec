"""The searches of Figure 7: its scales, the four arms of Sec. 4.3, and what of it a trial store has already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from dnc.experiments.scale import Scale
from dnc.searches.archive import Store
from dnc.searches.settings import OptimizerName
from dnc.searches.stages import grid_steps
from dnc.searches.sweep import WCS as PAPER_WCS
from dnc.space import CNNSpace, MLPSpace
from dnc.trial import SearchStatus

if TYPE_CHECKING:
    from dnc.data.dataset import Dataset

WCS = (0.0, 0.1, 10.0)

FIG7_SCALES: Mapping[str, Scale] = MappingProxyType(
    {
        "smoke": Scale(
            "smoke", "digits", n_train=600, n_val=397, space=MLPSpace(), epochs=8,
            n1=3, n2=3, n3=200, wcs=WCS, n_seeds=3,
        ),
        # The paper's n1, n2, n3 and MLP space; images and epochs are what two CPU cores do in at most 45 minutes.
        "small": Scale(
            "small", "fmnist", n_train=8000, n_val=5000, space=MLPSpace(), epochs=12,
            n1=15, n2=15, n3=1000, wcs=WCS, n_seeds=5,
        ),
        # The paper's setting: unaugmented CIFAR-10, one search per arm and w_c.
        "paper": Scale(
            "paper", "cifar10", n_train=None, n_val=None, space=CNNSpace(), epochs=100,
            n1=15, n2=15, n3=1000, wcs=PAPER_WCS, n_seeds=1,
        ),
    }
)  # fmt: skip


class Arm(NamedTuple):
    """A way to search: the optimizer, and how its n1 + n2 trials of stages 1 and 3 are divided."""

    name: str
    optimizer: OptimizerName
    n1: int
    n2: int
    label: str


def arms(scale: Scale) -> tuple[Arm, ...]:
    """The four arms of Sec. 4.3; all have the same number of trials."""
    n = scale.n1 + scale.n2
    return (
        Arm("random", "random", n, 0, f"random\n{n}"),
        Arm("sobol", "sobol", n, 0, f"Sobol\ngrid\n{n}"),
        Arm("balanced", "bayesian", scale.n1, scale.n2, f"balanced\nBO\n{scale.n1} + {scale.n2}"),
        Arm("extreme", "bayesian", 1, n - 1, f"extreme\nBO\n1 + {n - 1}"),
    )


@dataclass(frozen=True)
class PlannedSearch:
    """One search of the figure: an arm at a w_c with a seed, by whose clock it is timed.

    So seeds are independent: where w_c > 0, one lucky timing that all of them looked up would be no chance that they
    average out. The searches of one seed share their timings, and c_0, as they share their trainings: they are pairs.

    Attributes:
        n_new: how many of its trainings no search before it in the plan shares, at most.
    """

    wc: float
    arm: Arm
    seed: int
    n_new: int

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells the searches of one store and scale apart."""
        return self.wc, self.arm.optimizer, self.arm.n1, self.arm.n2, self.seed


def planned_searches(scale: Scale, first_seed: int) -> list[PlannedSearch]:
    """All searches of the figure, in the order in which they start."""
    n, n_grid = scale.n1 + scale.n2, grid_steps(scale.space)
    plan: list[PlannedSearch] = []
    shared: set[tuple[int, str, int]] = set()  # (seed, sampler, index) of the initial points planned so far
    # A BO arm proposes one config at a time and keeps one worker busy, so it starts early; random and grid search
    # propose all at once, and those that come last still keep every core busy on their own.
    for arm in sorted(arms(scale), key=lambda arm: -arm.n2):
        sampler = "random" if arm.optimizer == "random" else "sobol"  # BO begins with Sobol points too
        for seed in scale.seeds(first_seed):
            for wc in scale.wcs:
                # Initial points of stage 1 do not depend on w_c. Nothing else is shared for certain: stage 2's grid and
                # stage 3's n trials are built on the winner of stage 1, which does.
                initial_points = {(seed, sampler, index) for index in range(arm.n1)}
                n_initial = len(initial_points - shared)
                shared |= initial_points
                plan.append(PlannedSearch(wc, arm, seed, n_initial + arm.n2 + n_grid + n))
    return plan


def finished_fraction(store: Store, scale: Scale, data: Dataset) -> dict[tuple[Any, ...], float]:
    """How much of each search the store has, from 0 to 1, by `PlannedSearch.key`; absent where it has nothing."""
    fractions: dict[tuple[Any, ...], float] = {}
    fingerprint = data.flatten().fingerprint if scale.space.family == "mlp" else data.fingerprint  # MLPs see flat data
    n_steps = 2 * (scale.n1 + scale.n2)
    setting = (fingerprint, scale.epochs, scale.n3, scale.space.to_dict())
    rows: Any = store.searches().itertuples()
    for row in rows:
        spec = store.search(row.id)["spec"]
        # a store that the user named may hold searches of other scales, and of other programs
        same_setting = (spec["data"]["fingerprint"], spec["epochs"], spec["n3"], spec["space"]) == setting
        if same_setting and spec.get("clock", 0) == spec["seed"]:
            key = spec["wc"], spec["optimizer"], spec["n1"], spec["n2"], spec["seed"]
            fractions[key] = 1.0 if row.status == SearchStatus.FINISHED else min(1.0, int(row.visits) / n_steps)  # type: ignore[call-overload]
    return fractions
