"""What a result was made with: the versions."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    by_package = {"python": platform.python_version()}
    for package in ("dnc", "torch", "numpy", "scipy"):
        try:
            by_package[package] = version(package)
        except PackageNotFoundError:  # e.g. run from a source tree that is not installed
            by_package[package] = "unknown"
    return by_package


@cache
def arithmetic() -> str:
    """Names and versions of the libraries that a training step spends its time in."""
    installed = versions()
    return ", ".join(f"{package} {installed[package]}" for package in ("torch", "numpy"))
