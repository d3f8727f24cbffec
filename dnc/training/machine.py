"""What this machine is and can do, as far as the choice of an engine depends on it."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

import torch


@cache
def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware; emulated products are slower than float32 ones."""
    flags = set(_cpu_info("flags").split())
    return bool(flags & {"avx512_bf16", "amx_bf16"}) and torch.backends.mkldnn.is_available()


def gpu_has_bfloat16() -> bool:
    """Whether this GPU multiplies bfloat16 matrices in hardware."""
    return torch.cuda.is_bf16_supported(including_emulation=False)


@cache
def cpu_model() -> str:
    """The model of this CPU, for people."""
    return _cpu_info("model name", "Hardware") or platform.processor() or platform.machine() or "unknown CPU"


def gpu_model() -> str:
    """The model of the current GPU, for people."""
    return torch.cuda.get_device_name()


def _cpu_info(*names: str) -> str:
    """The first entry of /proc/cpuinfo with one of these names; "" if the system has none."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in names and value.strip():
                return value.strip()
    return ""
