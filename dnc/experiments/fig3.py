"""Figure 3: families of CNNs for different w_c (Sec. 3.1).

The small scale keeps the paper's n1, n2, n3 and w_c. What is cut, so that two CPU cores do it in two hours: images and
their size, epochs, depth and channels, and with the channels the thresholds at which the resolution halves. So few
images make 8 steps an epoch of the paper's preset batch of 256, and a network is no better than chance when stage 1
judges it (CIFAR-10: 24 % after 64 steps, 35 % after 250); so the preset batch is cut to 64. Stage 3's range is the
paper's.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dnc.experiments.family import FamilyFigure
from dnc.experiments.family_claims import TIME_CLAIMS
from dnc.experiments.family_plan import FamilyScale, Setting
from dnc.plots.family_info import Printed
from dnc.space import CNNSpace, Space, TrainingSpace

SMOKE_SPACE = CNNSpace(
    conv_layers=(1, 3),
    first_channels=(4, 8),
    max_channels=16,
    downsample_above=(8,),
    grid_batchnorm=(0.0, 1.0),
    grid_dropout=(0.0, 1.0),
    grid_drop=(0.3,),
    grid_input_drop=(0.1,),
    grid_shortcuts=(0, 2),
    training=TrainingSpace(batch_size=(16, 128), preset_batch_size=32),
)
SMALL_SPACE = CNNSpace(
    conv_layers=(4, 7),
    first_channels=(8, 16),
    max_channels=64,
    downsample_above=(16, 32),
    training=TrainingSpace(preset_batch_size=64),
)


def _small(title: str, data: str, size: int, augment: bool = True, n_train: int = 2000, n_test: int = 5000) -> Setting:
    return Setting(
        title,
        data,
        SMALL_SPACE,
        epochs=8,
        refit_epochs=24,
        augment=augment,
        n_train=n_train,
        n_val=n_train // 2,
        n_test=n_test,
        image_size=size,
    )


def _smoke(title: str, augment: bool) -> Setting:
    return Setting(title, "digits", SMOKE_SPACE, 8, 16, augment, n_train=300, n_val=200, wcs=(0.0, 0.1, 10.0))


def _paper(title: str, data: str, augment: bool = True) -> Setting:
    space: Space = CNNSpace()
    return Setting(title, data, space, space.default_epochs, space.refit_epochs, augment)


FIG3_SCALES: Mapping[str, FamilyScale] = MappingProxyType(
    {
        "smoke": FamilyScale(
            "smoke",
            (_smoke("Digits, augmented", True), _smoke("Digits, unaugmented", False)),
            ("t_tr",), n1=3, n2=2, n3=100, n_seeds=3,
        ),
        "small": FamilyScale(
            "small",
            (
                _small("CIFAR-10, augmented", "cifar10", 16),
                _small("CIFAR-10, unaugmented", "cifar10", 16, augment=False),
                _small("CIFAR-100, augmented", "cifar100", 16, n_train=4000, n_test=2000),
                _small("FMNIST, augmented", "fmnist", 14),
            ),
            ("t_tr",), n1=15, n2=15, n3=1000, n_seeds=3,
        ),
        "paper": FamilyScale(
            "paper",
            (
                _paper("CIFAR-10, augmented", "cifar10"),
                _paper("CIFAR-10, unaugmented", "cifar10", augment=False),
                _paper("CIFAR-100, augmented", "cifar100"),
                _paper("FMNIST, augmented", "fmnist"),
            ),
            ("t_tr",), n1=15, n2=15, n3=1000, n_seeds=1,
        ),
    }
)  # fmt: skip

# Table 2: best validation accuracy, t_tr on the train set (s) and search cost (GPU hours).
PRINTED = tuple(
    Printed("CIFAR-10, augmented", "t_tr", wc, {"test_acc": accuracy, "t_tr": t_tr, "search_cost": 3600 * hours})
    for wc, accuracy, t_tr, hours in (
        (0.0, 0.9374, 10.0, 29.17),
        (0.1, 0.9189, 4.0, 19.23),
        (10.0, 0.8382, 3.0, 16.23),
    )
)

EXPERIMENT = FamilyFigure("fig3", "3", "CNN families for different $w_c$", FIG3_SCALES, TIME_CLAIMS, PRINTED)
