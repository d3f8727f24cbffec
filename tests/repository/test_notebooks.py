"""The notebooks run from top to bottom, and what is committed can be read without a kernel."""

from __future__ import annotations

import base64
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LIVE = "application/vnd.jupyter.widget-view+json"
STATIC = "application/vnd.plotly.v1+json"


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    """tools/run_notebooks.py as a module."""
    spec = importlib.util.spec_from_file_location("run_notebooks", ROOT / "tools" / "run_notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def test_there_is_a_first_notebook() -> None:
    assert NOTEBOOKS[0].name == "00_quick_start.ipynb"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_outputs_can_be_read_without_a_kernel(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert [o for o in outputs(notebook) if o.output_type == "error" or o.get("name") == "stderr"] == []
    assert [o for o in outputs(notebook) if LIVE in o.get("data", {})] == []
    assert "widgets" not in notebook.metadata
    figures = [o.data for o in outputs(notebook) if STATIC in o.get("data", {})]
    assert figures
    for data in figures:
        assert base64.b64decode(data["image/png"])[:4] == b"\x89PNG"
        assert data[STATIC]["layout"]["sliders"][0]["steps"]
    assert path.stat().st_size < 1_000_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("default")  # of the kernel's client, not ours
def test_it_runs_and_shows_what_it_shows_in_the_repository(path: Path, runner: ModuleType, tmp_path: Path) -> None:
    before = path.read_bytes()
    notebook = runner.execute(path, tmp_path)
    assert [o for o in outputs(notebook) if o.output_type == "error"] == []
    live = [o.data for o in outputs(notebook) if STATIC in o.get("data", {})]
    assert all(LIVE in data and "image/png" in data for data in live)
    committed = nbformat.read(path, as_version=4)
    assert kinds(runner.settle(notebook)) == kinds(committed)
    assert path.read_bytes() == before
    if path.stem == "00_quick_start":
        assert (tmp_path / "quick_start.db").is_file()
        assert (tmp_path / "models" / "digits").is_dir()


def kinds(notebook: Any) -> list[list[Any]]:
    """The kind of every output, by cell."""
    return [
        [(o.output_type, sorted(o.get("data", {}))) for o in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_a_failing_notebook_is_reported_and_left_alone(runner: ModuleType, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "bad.ipynb"
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "execution_count": None, "outputs": [], "source": "1 / 0"}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    before = path.read_bytes()
    assert runner.main([str(path)]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_settle_drops_what_needs_a_kernel_and_keeps_the_rest(runner: ModuleType) -> None:
    def shown(**data: str) -> dict[str, Any]:
        data = {key.replace("__", "/"): value for key, value in data.items()}
        return {"output_type": "display_data", "data": data, "metadata": {}}

    bar = shown(**{"text/plain": "0%|", LIVE: "…"})
    both = shown(**{"text/plain": "x", LIVE: "…", "image/png": "abc"})
    lines = [{"output_type": "stream", "name": name, "text": "text"} for name in ("stdout", "stderr")]
    cell = nbformat.v4.new_code_cell("1", outputs=[nbformat.from_dict(o) for o in (bar, both, *lines)])
    cell.metadata["execution"] = {"iopub.execute_input": "now"}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {"state": 1}})
    settled = runner.settle(notebook)
    remaining = settled.cells[0].outputs
    assert [sorted(o.get("data", {})) for o in remaining] == [["image/png", "text/plain"], []]
    assert remaining[1]["name"] == "stdout"
    assert "widgets" not in settled.metadata
    assert settled.cells[0].metadata == {}
