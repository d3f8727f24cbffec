"""Options that several commands of `dnc` share, and the data, search space and arguments that they stand for."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dnc.bayesopt import N1, N2, N3, NOISE, XI
from dnc.errors import ArgumentError
from dnc.objective import METRICS
from dnc.terminal import Parser, int_or_text

if TYPE_CHECKING:
    from dnc.data.dataset import Dataset
    from dnc.searches.settings import Resources, SearchSettings
    from dnc.space import CNNSpace, MLPSpace

DEFAULT_STORE = "trials.db"
DEFAULT_WC = 0.1  # where neither accuracy nor cost is all that counts
CNN_BOUNDS = ("conv_layers", "first_channels", "max_channels")
MLP_BOUNDS = ("hidden_layers", "nodes")
TRAINING_BOUNDS = ("lr", "weight_decay", "batch_size")


# What the library calls Method, OptimizerName, Transform and Device; it loads torch, which a help text must not.
METHODS, OPTIMIZERS, TRANSFORMS = ("paper", "fast"), ("bayesian", "sobol", "random"), ("log10", "none")
DEVICES = ("auto", "cpu", "cuda")
GRIDS = {
    "cnn": ("downsample", "batchnorm", "dropout", "shortcuts", "activation"),
    "mlp": ("dropout", "activation"),
}


def _one_of(choices: Iterable[str]) -> str:
    """How the help shows what an option may be. The library checks it: its error names the nearest choice."""
    return "|".join(choices)


# ---- data ----------------------------------------------------------------------------------------------


def add_root_option(parser: Parser | argparse._ArgumentGroup) -> None:
    """Where the data sets lie."""
    parser.add_argument("--root", help="folder of the data sets (default: $DNC_DATA, else the user's cache)")


def add_data_options(parser: Parser) -> None:
    """Which samples are used, and how they are prepared: the arguments of `load_data`."""
    group = parser.add_argument_group("data")
    add_root_option(group)
    for flag, split in (("--n-train", "training"), ("--n-val", "validation"), ("--n-test", "test")):
        group.add_argument(flag, type=int, metavar="N", help=f"use only N {split} samples")
    group.add_argument("--augment", action="store_true", help="normalize images, crop and flip them at random")
    group.add_argument("--image-size", type=int, metavar="N", help="average images down to N x N pixels")
    group.add_argument("--image-shape", type=int, nargs=3, metavar=("C", "H", "W"), help="make images of flat rows")
    group.add_argument(
        "--split-seed", type=int, default=0, metavar="N", help="seed that draws the validation samples (default: 0)"
    )
    group.add_argument("--val-fraction", type=float, metavar="X", help="fraction of the samples to validate on")
    group.add_argument(
        "--scale",
        choices=("auto", "standardize", "none"),
        default="auto",
        help="how the numbers of a file are scaled: auto standardizes tables that need it (default: auto)",
    )
    group.add_argument("--no-download", action="store_true", help="do not download missing files")


def load_dataset(options: argparse.Namespace) -> Dataset:
    """The data set that DATA and the data options name."""
    from dnc.data import load_data

    return load_data(
        options.data,
        root=options.root,
        n_train=options.n_train,
        n_val=options.n_val,
        n_test=options.n_test,
        augment=options.augment,
        image_size=options.image_size,
        image_shape=None if options.image_shape is None else tuple(options.image_shape),
        split_seed=options.split_seed,
        val_fraction=options.val_fraction,
        download=not options.no_download,
        scale=options.scale,
    )


# ---- search space --------------------------------------------------------------------------------------


def add_space_options(parser: Parser) -> None:
    """The bounds of the search space."""
    group = parser.add_argument_group("search space (defaults: the paper's)")
    group.add_argument(
        "--family", choices=("mlp", "cnn"), help="kind of network (default: cnn if a CNN bound is given, else mlp)"
    )
    for flag, number, text in (
        ("--conv-layers", int, "CNN: number of conv layers (default: 4 16)"),
        ("--first-channels", int, "CNN: channels of the first layer (default: 16 64)"),
        ("--hidden-layers", int, "MLP: number of hidden layers (default: 0 2)"),
        ("--nodes", int, "MLP: nodes per hidden layer (default: 20 400)"),
        ("--lr", float, "learning rate (default: 1e-5 1e-1)"),
        ("--weight-decay", float, "weight decay (default: 1e-6 1e-3)"),
        ("--batch-size", int, "batch size (default: 32 512)"),
    ):
        group.add_argument(flag, type=number, nargs=2, metavar=("LOW", "HIGH"), help=text)
    group.add_argument("--max-channels", type=int, metavar="N", help="CNN: most channels of any layer (default: 512)")


def build_space(options: argparse.Namespace) -> CNNSpace | MLPSpace:
    """The paper's space for the data and the family, with the bounds that were given.

    Raises:
        ArgumentError: a bound of the other family, or a bad one.
    """
    from dnc.space import CNNSpace, MLPSpace

    bounds = _given(options, (*CNN_BOUNDS, *MLP_BOUNDS))
    family = options.family or ("cnn" if set(bounds) & set(CNN_BOUNDS) else "mlp")
    other_family, other_bounds = ("mlp", MLP_BOUNDS) if family == "cnn" else ("cnn", CNN_BOUNDS)
    misplaced = [name for name in bounds if name in other_bounds]
    if misplaced:
        raise ArgumentError(
            f"--{misplaced[0].replace('_', '-')} does not belong to family {family}: leave it out, or give "
            f"--family {other_family}"
        )
    if family == "cnn":
        default = CNNSpace()
    else:  # the paper's MLPs are deeper and wider for RCV1 than for images
        default = MLPSpace.rcv1() if options.data in ("rcv1", "reuters") else MLPSpace()
    training = replace(default.training, **_given(options, TRAINING_BOUNDS))
    return replace(default, training=training, **bounds)


def _given(options: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    """Those of the named options that were given; pairs as tuples."""
    values = {name: getattr(options, name) for name in names}
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items() if v is not None}


# ---- search --------------------------------------------------------------------------------------------


def add_budget_options(parser: Parser, *, from_search: bool = False) -> None:
    """How much is searched, with which seeds and resources.

    With `from_search`, the help says that most of it is by default as in an earlier search.
    """
    penalty, epochs, seed, train_seed = "t_tr", "mlp 60, cnn 100", "0", "as --seed"
    sizes: dict[str, int | None] = {"n1": N1, "n2": N2, "n3": N3}
    if from_search:
        penalty = epochs = seed = train_seed = "the search's"
        sizes = dict.fromkeys(sizes)  # None: as in the search
    group = parser.add_argument_group("search")
    group.add_argument("--penalty", metavar=_one_of(METRICS), help=f"complexity metric (default: {penalty})")
    group.add_argument("--epochs", type=int, metavar="N", help=f"epochs per training (default: {epochs})")
    for name, text in (
        ("n1", "initial points of stages 1 and 3, each"),
        ("n2", "optimization steps of stages 1 and 3, each"),
        ("n3", "candidates per step"),
    ):
        default = "the search's" if sizes[name] is None else sizes[name]
        group.add_argument(f"--{name}", type=int, default=sizes[name], metavar="N", help=f"{text} (default: {default})")
    group.add_argument("--seed", type=int, metavar="N", help=f"seed of the proposals (default: {seed})")
    group.add_argument("--train-seed", type=int, metavar="N", help=f"seed of the trainings (default: {train_seed})")
    group.add_argument("--reference", type=float, metavar="C0", help="c_0 (default: of the space's largest network)")
    group.add_argument(
        "--store", default=DEFAULT_STORE, metavar="FILE", help=f"the trial store to use (default: {DEFAULT_STORE})"
    )
    group.add_argument(
        "--workers", default="auto", metavar="N", help="worker processes, 0 for none (default: one per core)"
    )
    add_device_option(group)
    group.add_argument(
        "--trial-timeout", type=float, metavar="S", help="seconds that a training may take (default: no limit)"
    )
    group.add_argument("--retry-failed", action="store_true", help="train configs again that failed before")
    group.add_argument("--quiet", action="store_true", help="show no progress bar")


def add_device_option(parser: Parser | argparse._ArgumentGroup) -> None:
    """What computes."""
    parser.add_argument("--device", default="auto", metavar=_one_of(DEVICES), help="what computes (default: auto)")


def add_method_options(parser: Parser) -> None:
    """How the search proceeds."""
    group = parser.add_argument_group("method")
    group.add_argument(
        "--optimizer",
        default="bayesian",
        metavar=_one_of(OPTIMIZERS),
        help="what stages 1 and 3 search with; sobol is a grid (default: bayesian)",
    )
    group.add_argument(
        "--transform",
        default="log10",
        metavar=_one_of(TRANSFORMS),
        help="let the Gaussian process model log10 of f, or f itself (default: log10)",
    )
    group.add_argument("--xi", type=float, default=XI, help=f"exploration of expected improvement (default: {XI:g})")
    group.add_argument(
        "--noise", type=float, default=NOISE, help=f"noise variance of the Gaussian process (default: {NOISE:g})"
    )
    group.add_argument("--batch", type=int, default=1, metavar="N", help="proposals per step (default: 1)")
    group.add_argument(
        "--method",
        default="paper",
        metavar=_one_of(METHODS),
        help="fast skips trainings that cannot win (default: paper)",
    )
    group.add_argument(
        "--early-stop", action="store_true", help="end a training once its learning curve is unlikely to win"
    )
    group.add_argument(
        "--stage2-order",
        metavar="A,B,…",
        help=f"the grids of stage 2 to search, in this order: some of {', '.join(GRIDS['cnn'])} for a CNN, of "
        f"{', '.join(GRIDS['mlp'])} for an MLP",
    )
    group.add_argument(
        "--estimate",
        action="store_true",
        help="predict how long it would take by timing a few networks (up to minutes for large ones), and stop",
    )


# ---- a recorded search ---------------------------------------------------------------------------------


def add_search_arguments(parser: Parser, store: str = "store", *, optional: bool = False) -> None:
    """[STORE] ID, or [STORE] [ID] where the ID is optional; `store` is what the options call the store."""
    text = f"the trial store (default: {DEFAULT_STORE})"
    parser.add_argument(store, metavar="STORE", nargs="?", default=DEFAULT_STORE, help=text)
    text = "the search's ID, or its first characters (see dnc show)"
    parser.add_argument("id", metavar="ID", nargs="?" if optional else None, help=text)


def add_output_options(parser: Parser, metavar: str, text: str) -> None:
    """What is written."""
    parser.add_argument("-o", "--output", required=True, metavar=metavar, help=text)
    parser.add_argument("--force", action="store_true", help="overwrite what is there")


def add_rescore_options(parser: Parser) -> None:
    """Another objective for recorded trials."""
    parser.add_argument("--wc", type=float, help="rank by another w_c (default: the search's)")
    parser.add_argument(
        "--penalty", metavar=_one_of(METRICS), help="rank by another complexity metric (default: the search's)"
    )


def search_settings(options: argparse.Namespace) -> SearchSettings:
    """The settings that the options of `dnc search` and `dnc sweep` stand for; a sweep's w_c are not among them.

    Raises:
        ArgumentError: a value outside its range.
    """
    from dnc.searches.settings import SearchSettings

    order = None if options.stage2_order is None else [name.strip() for name in options.stage2_order.split(",")]
    wc = getattr(options, "wc", None)
    return SearchSettings(
        wc=DEFAULT_WC if wc is None else wc,
        penalty=options.penalty or "t_tr",
        reference=options.reference,
        epochs=options.epochs,
        n1=options.n1,
        n2=options.n2,
        n3=options.n3,
        stage2_order=order,
        optimizer=options.optimizer,
        transform=options.transform,
        xi=options.xi,
        noise=options.noise,
        batch=options.batch,
        method=options.method,
        early_stop=options.early_stop,
        seed=options.seed or 0,
        train_seed=options.train_seed,
    )


def search_resources(options: argparse.Namespace) -> Resources:
    """What a command may use.

    Raises:
        ArgumentError: a value outside its range.
    """
    from dnc.searches.settings import Resources

    return Resources(
        store=options.store,
        workers=int_or_text(options.workers),
        device=options.device,
        trial_timeout=options.trial_timeout,
        retry_failed=options.retry_failed,
    )
