"""How much memory a training needs at least, in closed form: one that cannot fit is refused before it is tried.

The system often kills a process that asks for too much instead of telling it, so that no reason could be given
afterwards.
"""

from __future__ import annotations

import gc
import math

import torch

from dnc.config import CNN, Config
from dnc.data.dataset import Dataset
from dnc.data.readers import machine_memory
from dnc.networks.params import count_params, map_sizes
from dnc.training.engine import Engine
from dnc.training.stepper import TrainingFailed

PARAM_BYTES = 16  # a weight, its gradient and Adam's two moments, in float32
OUT_OF_MEMORY = "out of memory"


def needed_bytes(config: Config, data: Dataset, engine: Engine) -> int:
    """Bytes that training `config` on `data` takes at least: parameters, and each layer's output for one batch.

    Raises:
        ArgumentError: the architecture does not fit the data.
    """
    arch = config.arch
    params = count_params(arch, data.input_shape, data.n_classes)
    if isinstance(arch, CNN):
        sizes = map_sizes(arch, data.input_shape)  # after each layer's pool: never more than its convolution gives
        units = sum(c * h * w for c, (h, w) in zip(arch.channels, sizes, strict=True))
    else:
        units = sum(arch.hidden)
    element = 2 if engine.dtype == "bfloat16" else 4
    return PARAM_BYTES * params + element * min(config.training.batch_size, data.n_train) * units


def device_bytes(engine: Engine) -> float:
    """Memory of the device; infinity if it is not known."""
    if engine.device == "cuda":
        return float(torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory)
    return min(machine_memory(), _address_space())


def check_memory(config: Config, data: Dataset, engine: Engine) -> None:
    """Refuse a training that certainly does not fit into memory.

    Raises:
        TrainingFailed: it needs more memory than there is.
    """
    needed, available = needed_bytes(config, data, engine), device_bytes(engine)
    if needed > available:
        raise TrainingFailed(f"{OUT_OF_MEMORY}: needs at least {gigabytes(needed)}, there are {gigabytes(available)}")


def gigabytes(n: float) -> str:
    """Bytes as text.

    >>> gigabytes(1.5e9)
    '1.5 GB'
    """
    return f"{n / 1e9:,.3g} GB" if n < 1e12 else f"{n / 1e9:,.0f} GB"


def free_memory() -> None:
    """Give back what a failed training leaves behind: reference cycles, and the blocks that torch keeps on the GPU."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _address_space() -> float:
    try:
        import resource
    except ImportError:  # not on Windows
        return math.inf
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    return math.inf if soft == resource.RLIM_INFINITY else float(soft)
