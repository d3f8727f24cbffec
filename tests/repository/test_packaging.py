"""What installs the project agrees with itself: pyproject.toml, the lock, environment.yml, the Makefile."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUNTIME = [Requirement(text) for text in PROJECT["dependencies"]]
DEV = [Requirement(text) for text in PROJECT["optional-dependencies"]["dev"]]
LOCK = [
    Requirement(line)
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
# Where the lock claims to hold: the markers that decide, for each system.
SYSTEMS = {
    "linux": {
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": "x86_64",
    },
    "macos": {
        "sys_platform": "darwin",
        "platform_system": "Darwin",
        "os_name": "posix",
        "platform_machine": "arm64",
    },
    "windows": {
        "sys_platform": "win32",
        "platform_system": "Windows",
        "os_name": "nt",
        "platform_machine": "AMD64",
    },
}
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


def pins(system: str, python: str) -> dict[str, str]:
    """The versions that the lock gives on one system, by canonical name; every name must be pinned once."""
    environment = SYSTEMS[system] | {"python_version": python, "python_full_version": f"{python}.1"}
    pinned: dict[str, str] = {}
    for requirement in LOCK:
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (pin,) = requirement.specifier
            assert canonicalize_name(requirement.name) not in pinned
            pinned[canonicalize_name(requirement.name)] = pin.version
    return pinned


def test_the_lock_pins_exactly() -> None:
    for requirement in LOCK:
        assert [pin.operator for pin in requirement.specifier] == ["=="], requirement
        assert requirement.url is None
        assert "*" not in str(requirement.specifier)


def test_the_lock_names_no_index_and_no_path() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"^\s*-|://|file:", text, re.MULTILINE)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", list(SYSTEMS))
def test_the_lock_satisfies_the_project(system: str, python: str) -> None:
    pinned = pins(system, python)
    assert (pinned["torch"], pinned["torchvision"]) == ("2.14.1", "0.29.1")
    for requirement in RUNTIME + DEV:
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


def test_the_lock_brings_what_each_system_needs() -> None:
    assert "triton" in pins("linux", "3.11")
    assert "triton" not in pins("macos", "3.11")
    assert "pywinpty" in pins("windows", "3.11")
    assert "appnope" in pins("macos", "3.11")


def test_every_dependency_has_a_lower_bound_and_a_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for requirement in RUNTIME + DEV:
        assert [part.operator for part in requirement.specifier] == [">="], requirement
        assert re.search(rf'^    "{re.escape(str(requirement))}",  # \S', text, re.MULTILINE), requirement


def test_conda_gets_the_same_dependencies() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    options = [line for line in pip if line.startswith("-")]
    assert environment["name"] == PROJECT["name"]
    assert conda == ["python=" + PROJECT["requires-python"].removeprefix(">="), "pip"]
    assert [str(Requirement(line)) for line in pip if line not in options] == [str(r) for r in RUNTIME]
    assert options == ["--constraint requirements.lock", "--editable ."]


def test_the_installed_project_is_this_one() -> None:
    assert version("dnc") == PROJECT["version"]
    (script,) = entry_points(group="console_scripts", name="dnc")
    assert script.value == PROJECT["scripts"]["dnc"]
    assert f"## [{PROJECT['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (ROOT / "dnc" / "py.typed").is_file()


# -- the Makefile -------------------------------------------------------------------------------------------------


def run(*command: str, path: str | None = None, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    """Runs a command with nothing of the environment but PATH, HOME and what is given."""
    base = {"PATH": path if path is not None else os.environ["PATH"], "HOME": os.environ["HOME"]}
    return subprocess.run(command, cwd=cwd, env=base | environment, capture_output=True, text=True)


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@needs_make
def test_make_alone_lists_every_target() -> None:
    done = run("make")
    assert done.returncode == 0
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.findall(r"[\w-]+", re.findall(r"^\.PHONY:(.*)$", makefile, re.MULTILINE)[0]))
    assert {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")} == phony
    assert {"demo", "test", "lock", "bench", "notebooks", "clean"} <= phony


def fake_checkout(folder: Path) -> Path:
    """The files that `make venv` reads, with a lock that needs nothing from an index."""
    (folder / "tools").mkdir()
    for name in ("Makefile", "pyproject.toml", "tools/make_venv.sh"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "requirements.lock").write_text("# nothing\n", encoding="utf-8")
    return folder


@needs_make
@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ("", "No Python 3.11 or newer was found"),
        ("no-such-python", "PYTHON=no-such-python is not a Python 3.11"),
    ],
)
def test_without_a_python_make_says_what_to_do(tmp_path: Path, chosen: str, message: str) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("make", "sh", "rm", "touch", "grep", "tee"):
        (tools / name).symlink_to(str(shutil.which(name)))
    folder = tmp_path / "checkout"
    folder.mkdir()
    done = run("make", "venv", path=str(tools), cwd=fake_checkout(folder), PYTHON=chosen)
    assert done.returncode != 0
    assert message in done.stderr
    assert not (folder / ".venv").exists()


@needs_make
def test_make_lab_opens_the_first_notebook(tmp_path: Path) -> None:
    folder = fake_checkout(tmp_path)
    (folder / "notebooks").mkdir()
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        (folder / "notebooks" / notebook.name).touch()
    (folder / "notebooks" / "01_another.ipynb").touch()
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    (folder / ".venv" / ".installed").touch()
    done = run("make", "lab", cwd=folder)
    assert done.stdout.split() == ["-m", "jupyterlab", "notebooks/00_quick_start.ipynb"]


@needs_make
def test_without_ensurepip_make_says_what_to_install(tmp_path: Path) -> None:
    python = tmp_path / "python3"  # a Python as Debian splits it: no ensurepip
    python.write_text(f'#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; esac\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    done = run("make", "venv", cwd=fake_checkout(tmp_path), PYTHON=str(python))
    assert done.returncode != 0
    assert f"apt install python3.{sys.version_info.minor}-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()


@needs_make
def test_a_failed_installation_leaves_no_stamp_and_goes_on_later(tmp_path: Path) -> None:
    folder = fake_checkout(tmp_path)
    venv = folder / ".venv"
    python = venv / "bin" / "python"  # stands for an environment that exists: pip fails until it is mended
    python.parent.mkdir(parents=True)
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *" install "*) echo "ERROR: no luck"; exit 3 ;; esac\nexec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    failed = run("make", "venv", cwd=folder)
    assert failed.returncode != 0
    assert "ERROR: no luck" in failed.stderr
    assert "install.log" in failed.stderr
    assert not (venv / ".installed").exists()
    python.write_text(python.read_text().replace("exit 3", "exit 0"))
    assert run("make", "venv", cwd=folder).returncode == 0
    assert (venv / ".installed").exists()
    assert run("make", "venv", cwd=folder).stderr == ""  # nothing to do
    os.utime(folder / "requirements.lock", (2e9, 2e9))
    assert "Installing" in run("make", "venv", cwd=folder).stderr


# -- the browser that .ci/run installs ------------------------------------------------------------------------------


@pytest.mark.browser
def test_a_browser_can_be_driven(chromium: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.set_content("<button onclick=\"this.textContent = 'clicked'\">click me</button>")
        page.click("button")
        text = page.inner_text("button")
        browser.close()
    assert text == "clicked"
