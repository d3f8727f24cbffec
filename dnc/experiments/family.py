"""A figure of families of networks (Figs. 3 and 4): one row a search, judged by claims and drawn in five rows."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from dnc.errors import ArgumentError
from dnc.experiments.family_claims import FamilyClaim, judge
from dnc.experiments.family_plan import FamilyScale
from dnc.experiments.family_run import Finished, estimate_family, run_family
from dnc.experiments.family_text import caption, summary
from dnc.experiments.output import provenance
from dnc.experiments.protocol import Notify, Options, Record
from dnc.experiments.statistics import Verdict
from dnc.plots.family_info import FamilyInfo, Printed, family_info
from dnc.plots.family_matplotlib import draw
from dnc.plots.style_matplotlib import Picture

if TYPE_CHECKING:
    import pandas as pd

MAX_SEED = 2**32 - 1  # of a search


@dataclass(frozen=True)
class FamilyFigure:
    """The experiment. Tests inject tiny scales.

    Attributes:
        name: stem of its files.
        figure: its number in the paper.
        title: of the picture.
        scales: by name.
        family_claims: what the paper says about it.
        printed: the values that the paper prints.
    """

    name: str
    figure: str
    title: str
    scales: Mapping[str, FamilyScale]
    family_claims: tuple[FamilyClaim, ...]
    printed: tuple[Printed, ...] = ()

    def check(self, options: Options) -> None:
        """Refuse a bad option, before anything is written."""
        options.check(self.name)
        # at any scale: whether a seed is allowed should not depend on the scale
        highest = MAX_SEED - max(scale.n_seeds for scale in self.scales.values())
        if not 0 <= options.seed <= highest:
            raise ArgumentError(f"seed={options.seed} is not allowed: give a whole number from 0 to {highest}")

    def estimate(self, options: Options) -> str:
        """How long it will take, from a few probe timings, which are kept if the store exists already."""
        scale = self.scales[options.scale_name()]
        return estimate_family(scale.runs(options.seed), options, self.name)

    def run(self, options: Options, notify: Notify, progress: bool = True) -> Record:
        """Run all searches and final trainings that the store does not have yet: one row per search.

        Raises:
            DataError: a data set is not there.
            SearchError: every trial of a stage failed.
            KeyboardInterrupt: interrupted; what is finished is in the store.
        """
        started = time.perf_counter()
        scale = self.scales[options.scale_name()]
        done, n_trained = run_family(scale.runs(options.seed), options, self.name, notify, progress)
        facts = {
            "figure": self.figure,
            **provenance(options, time.perf_counter() - started, scale.settings[0].space.family),
            "budget": {"n1": scale.n1, "n2": scale.n2, "n3": scale.n3},
            "penalties": list(scale.penalties),
            "seeds": scale.seeds(options.seed),
            "clocks": scale.seeds(options.seed),
            "rules": {claim.claim.name: claim.claim.rule for claim in self.family_claims},
            "settings": settings_facts(scale, done),
            **effort(done, n_trained),
        }
        return Record(tidy(done), facts)

    def claims(self, record: Record) -> tuple[Verdict, ...]:
        """Verdicts on what the paper says about the figure."""
        return judge(self.family_claims, record.frame, record.facts)

    def info(self, record: Record) -> FamilyInfo:
        """Plain data of the picture."""
        columns = {setting["title"]: setting["shown"] for setting in record.facts["settings"]}
        absolute = record.facts["scale"] == "paper"
        return family_info(record.frame, columns, self.title, self.printed, absolute, caption(record.facts))

    def summary(self, record: Record) -> str:
        """The family as a table: means over seeds by column, penalty and w_c."""
        return summary(self.info(record))

    def draw(self, record: Record) -> Picture:
        """The figure."""
        return draw(self.info(record))


def tidy(done: Sequence[Finished]) -> pd.DataFrame:
    """One row per search, in the order of the columns, penalties, w_c and seeds.

    t_tr is that of the final training, on train + validation data, as in Figs. 3 and 4; t_tr_search is on train data.
    search_cost is by the clock of t_tr, search_seconds what was recorded. Accuracies are fractions, times seconds.
    """
    import pandas as pd

    order = {run.run.setting.title: i for i, run in reversed(list(enumerate(done)))}
    penalties = {run.run.settings.penalty: i for i, run in reversed(list(enumerate(done)))}
    place = lambda f: (order[f.run.setting.title], penalties[f.run.settings.penalty], f.run.settings.wc)  # noqa: E731
    return pd.DataFrame([row(f) for f in sorted(done, key=lambda f: (*place(f), f.run.settings.seed))])


def row(finished: Finished) -> dict[str, Any]:
    """What one search and its final training gave."""
    setting, settings, best, final = finished.run.setting, finished.run.settings, finished.result.best, finished.final
    training, accuracy, n_test = best.config.training, finished.test_acc, finished.data.n_test
    return {
        "column": setting.title,
        "data": finished.data.name,
        "augmented": setting.augment,
        "penalty": settings.penalty,
        "wc": settings.wc,
        "seed": settings.seed,
        "test_acc": accuracy,
        "test_acc_se": math.sqrt(max(0.0, accuracy * (1 - accuracy)) / n_test) if n_test else math.nan,
        "best_test_acc": final.val_acc,
        "t_tr": final.t_tr,
        "t_tr_se": final.t_tr_se,
        "search_cost": finished.search_cost,
        "search_seconds": finished.result.search_cost,
        "n_params": best.n_params,
        "batch_size": training.batch_size,
        "f": best.f,
        "f_selected": best.f_selected,
        "val_acc": best.val_acc,
        "t_tr_search": best.t_tr,
        "t_tr_search_se": best.t_tr_se,
        "reference": finished.result.objective.reference,
        "stage": best.stage,
        "depth": best.config.arch.depth,
        "lr": training.lr,
        "weight_decay": training.weight_decay,
        "final_seconds": final.seconds,
        "architecture": str(best.config.arch),
        "config": best.config.to_json(),
    }


def settings_facts(scale: FamilyScale, done: Sequence[Finished]) -> list[dict[str, Any]]:
    """The settings as plain data, with the data sets that were there and the c_0 (median over seeds)."""
    facts = []
    for setting in scale.settings:
        mine = [finished for finished in done if finished.run.setting == setting]
        data, references = mine[0].data, [finished.result.facts["references"] for finished in mine]
        stands_in = setting.stand_in != "" and data.name == setting.stand_in
        facts.append(
            {
                **setting.to_dict(),
                "shown": f"{data.name.capitalize()} for {setting.title}" if stands_in else setting.title,
                "data": data.name,
                "n_train": data.n_train,
                "n_val": data.n_val,
                "n_test": data.n_test,
                "input_shape": list(data.input_shape),
                "n_classes": data.n_classes,
                "c_0": {name: median(r[name] for r in references) for name in ("t_tr", "n_params")},
            }
        )
    return facts


def effort(done: Sequence[Finished], n_trained: int) -> dict[str, Any]:
    """What was trained just now, and what the distinct trainings of the figure cost when they ran."""
    trials = [v.trial for finished in done for v in finished.result.visits] + [finished.final for finished in done]
    seconds = {trial.key: trial.seconds for trial in trials}  # by training: searches share them
    return {
        "searches": len(done),
        "trials": len(trials),
        "trainings": len(seconds),
        "trained_in_this_run": n_trained,
        "training_seconds": round(sum(seconds.values()), 3),
    }
