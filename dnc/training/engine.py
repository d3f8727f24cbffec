"""Which numerics a training uses (its engine), and which machine it runs on."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from dnc.config import content_hash
from dnc.errors import ArgumentError, check_choice, check_int, short_repr

KINDS = ("eager", "direct")
DEVICES = ("cpu", "cuda")
DTYPES = ("float32", "bfloat16")
FAMILIES = ("mlp", "cnn")
VERSIONS = {  # others are at 1
    ("direct", "cpu", "bfloat16"): 2,  # products are reduced by their size, not by the batch's
    ("eager", "cpu", "float32"): 2,  # CNNs are trained without autograd
    ("eager", "cpu", "bfloat16"): 2,
}
CPU_THREADS = 1  # a training uses one thread: bit-for-bit repeatable, and N workers beat N threads


@dataclass(frozen=True)
class Engine:
    """How a training computes. Trainings of equal engines on one kind of device give comparable numbers.

    Args:
        device: "cpu" or "cuda".
        dtype: "float32", or "bfloat16" for autocast with float32 weights.
        version: raised whenever a change of the code changes the numbers; None stands for the current one.
        kind: "eager" is a torch module with autograd, or a CNN on the CPU with a backward pass of its own; "direct"
            trains MLPs on the CPU without autograd, also several side by side, with the products of hidden layers in
            `dtype` where they are large enough to gain by it.

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
    """The engine for `device`: "cpu", "cuda", or "auto" for CUDA where there is one.

    Args:
        device: where to compute.
        dtype: "float32", "bfloat16", or None: what is best for the family on this machine. A study records the engine,
            so it stays the same in all of its trials.
        family: "mlp" or "cnn": the fastest engine for it; None is one that trains both.

    Raises:
        ArgumentError: an unknown name, or CUDA is asked for and missing.
    """
    check_choice("device", device, ("auto", *DEVICES))
    found = torch.cuda.is_available()
    if device == "cuda" and not found:
        raise ArgumentError("device='cuda' is not available: torch finds no CUDA device; use device='cpu' or 'auto'")
    if family is not None:
        check_choice("family", family, FAMILIES)
    chosen = "cuda" if found and device != "cpu" else "cpu"
    reduced = family is not None and (native_bfloat16() if chosen == "cpu" else cuda_bfloat16())
    return Engine(
        device=chosen,
        dtype=dtype if dtype is not None else "bfloat16" if reduced else "float32",
        kind="direct" if family == "mlp" and chosen == "cpu" else "eager",
    )


@cache
def native_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware; emulated products are slower than float32 ones."""
    flags = set(_cpu_info("flags").split())
    return bool(flags & {"avx512_bf16", "amx_bf16"}) and torch.backends.mkldnn.is_available()


def cuda_bfloat16() -> bool:
    """Whether this GPU multiplies bfloat16 matrices in hardware."""
    return torch.cuda.is_bf16_supported(including_emulation=False)


def machine_name(engine: Engine) -> str:
    """What computes, for people: the model of the CPU with its threads, or of the GPU."""
    if engine.device == "cuda":
        return torch.cuda.get_device_name()
    return f"{_cpu_model()}, {engine.threads} thread{'s' if engine.threads > 1 else ''}"


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


@cache
def _cpu_model() -> str:
    return _cpu_info("model name", "Hardware") or platform.processor() or platform.machine() or "unknown CPU"


def _cpu_info(*names: str) -> str:
    """The first entry of /proc/cpuinfo with one of these names; "" where there is none."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in names and value.strip():
                return value.strip()
    return ""
