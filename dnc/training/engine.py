"""The engine of a training: with which numerics, on which device, and under which settings of torch it computes."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from dnc.config import content_hash
from dnc.errors import ArgumentError, check_choice, check_int, short_repr
from dnc.training.machine import cpu_has_bfloat16, cpu_model, gpu_has_bfloat16, gpu_model

KINDS = ("eager", "direct")
DEVICES = ("cpu", "cuda")
DTYPES = ("float32", "bfloat16")
FAMILIES = ("mlp", "cnn")
VERSIONS = {  # all others are at 1
    ("direct", "cpu", "float32"): 2,  # batches are padded to multiples of 8 samples
    # 2: products are reduced depending on their own size; 3: float samples are evaluated in float32; 4: padded batches,
    # and products are reduced from fewer multiply-adds on
    ("direct", "cpu", "bfloat16"): 4,
    ("eager", "cpu", "float32"): 2,  # CNNs are trained without autograd
    ("eager", "cpu", "bfloat16"): 3,  # 2: likewise; 3: float samples are evaluated in float32
}
CPU_THREADS = 1  # a training uses one thread: bit-for-bit repeatable, and N workers beat N threads


@dataclass(frozen=True)
class Engine:
    """How a training computes. Trainings of equal engines on the same kind of device give comparable numbers.

    Args:
        device: "cpu" or "cuda".
        dtype: "float32", or "bfloat16" for reduced precision with float32 weights.
        version: raised whenever a change of the code changes the numbers; None stands for the current one.
        kind: "eager" is a torch module with autograd, or a CNN on the CPU with a backward pass of its own; "direct"
            trains MLPs on the CPU without autograd, also several side by side, with the products of hidden layers in
            `dtype` where they are large enough to gain from it.

    Raises:
        ArgumentError: an unknown name, kind "direct" on CUDA, or a version that this release does not implement.
    """

    device: str = "cpu"
    dtype: str = "float32"
    version: int | None = None
    kind: str = "eager"

    def __post_init__(self) -> None:
        check_choice("engine kind", self.kind, KINDS)
        check_choice("device", self.device, DEVICES)
        check_choice("dtype", self.dtype, DTYPES)
        current = VERSIONS.get((self.kind, self.device, self.dtype), 1)
        if self.version is None:
            object.__setattr__(self, "version", current)
        else:
            check_int("engine version", self.version, current, current)
        if self.kind == "direct" and self.device != "cpu":
            raise ArgumentError("engine kind 'direct' works on the CPU only: use kind='eager' with device='cuda'")

    @property
    def id(self) -> str:
        """The name under which results are stored, e.g. "eager-cpu-float32-2"."""
        return f"{self.kind}-{self.device}-{self.dtype}-{self.version}"

    @property
    def threads(self) -> int:
        """CPU threads that a training computes with; 0 on a GPU, where they do not matter."""
        return CPU_THREADS if self.device == "cpu" else 0

    @classmethod
    def parse(cls, text: str) -> Engine:
        """The engine of an `id`; it must be supported here.

        Raises:
            ArgumentError: not an id of this release, or its device is missing on this machine.
        """
        parts = text.split("-") if isinstance(text, str) else []
        if len(parts) != 4 or not parts[3].isdecimal():
            raise ArgumentError(f"engine={short_repr(text)} is unknown: give an id like {cls().id!r}")
        engine = cls(parts[1], parts[2], int(parts[3]), parts[0])
        if engine.device == "cuda" and not torch.cuda.is_available():
            raise ArgumentError(
                f"engine={text!r} needs a CUDA device, and torch finds none: use device='cpu' in a new study"
            )
        return engine


def select_engine(device: str = "auto", dtype: str | None = None, family: str | None = None) -> Engine:
    """The engine for `device`: "cpu", "cuda", or "auto" for CUDA if there is a device for it.

    Args:
        device: where to compute.
        dtype: "float32", "bfloat16", or None: what is best for the family on this machine. A study records the engine,
            so it stays the same in all of its trials.
        family: "mlp" or "cnn": the fastest engine for it; None is one that trains both.

    Raises:
        ArgumentError: an unknown name, or CUDA is asked for and missing.

    >>> select_engine("cpu").id
    'eager-cpu-float32-2'
    >>> select_engine("cpu", "float32", family="mlp").id
    'direct-cpu-float32-2'
    """
    check_choice("device", device, ("auto", *DEVICES))
    has_cuda = torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        raise ArgumentError("device='cuda' is not available: torch finds no CUDA device; use device='cpu' or 'auto'")
    if family is not None:
        check_choice("family", family, FAMILIES)
    chosen = "cuda" if has_cuda and device != "cpu" else "cpu"
    reduced = family is not None and (cpu_has_bfloat16() if chosen == "cpu" else gpu_has_bfloat16())
    return Engine(
        device=chosen,
        dtype=dtype if dtype is not None else "bfloat16" if reduced else "float32",
        kind="direct" if family == "mlp" and chosen == "cpu" else "eager",
    )


def evaluation_engine(engine: Engine, samples: np.dtype) -> Engine:
    """The engine whose numerics evaluate and predict `samples`, for a network that was trained with `engine`.

    bfloat16 has 8 significant bits, as many as uint8 samples. Of floats that are not centered it can lose all that
    matters (around 1000, its numbers are multiples of 4), so on a CPU they are evaluated in float32.

    >>> evaluation_engine(Engine(dtype="bfloat16"), np.dtype("float32")).dtype
    'float32'
    >>> evaluation_engine(Engine(dtype="bfloat16"), np.dtype("uint8")).dtype
    'bfloat16'
    """
    if engine.device != "cpu" or samples == np.uint8:
        return engine
    return Engine(engine.device, "float32", kind=engine.kind)


def machine_name(engine: Engine) -> str:
    """What computes, for people: the model of the CPU with its threads, or of the GPU."""
    if engine.device == "cuda":
        return gpu_model()
    return f"{cpu_model()}, {engine.threads} thread{'s' if engine.threads > 1 else ''}"


def machine_id(engine: Engine) -> str:
    """Short name of the machine that timings belong to: equal for equal models and thread settings."""
    return content_hash([machine_name(engine), platform.machine()])[:16]


def precision(engine: Engine) -> torch.autocast:
    """The context in which a torch module computes in the engine's dtype; weights and loss stay float32."""
    return torch.autocast(engine.device, torch.bfloat16, enabled=engine.dtype == "bfloat16" and engine.kind == "eager")


@contextmanager
def compute_settings(engine: Engine) -> Iterator[None]:
    """Compute on one CPU thread with denormals flushed to zero, then restore the caller's settings.

    Without flushing, weights that decay towards zero make some steps many times slower.
    """
    threads, flushed = torch.get_num_threads(), flushes_denormals()
    try:
        if engine.device == "cpu":
            torch.set_num_threads(engine.threads)
        torch.set_flush_denormal(True)
        yield
    finally:
        torch.set_flush_denormal(flushed)
        torch.set_num_threads(threads)


def flushes_denormals() -> bool:
    """True if this thread's arithmetic flushes denormals to zero (torch has a setter, but no getter)."""
    smallest_normal = sys.float_info.min
    return smallest_normal / 2 == 0.0
