"""Runs the notebooks in fresh kernels and keeps their outputs, so that they can be read without a kernel.

    usage: python tools/run_notebooks.py [notebooks/NAME.ipynb ...]      default: all of notebooks/

Each runs in an empty folder, as for somebody who has just started; what it writes there is dropped. Outputs that need a
live kernel (progress bars, widgets) are dropped too: what a widget shows without a kernel takes its place.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parents[1]
LIVE = "application/vnd.jupyter.widget-view+json"
CELL_SECONDS = 600


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook at `path` with new outputs, run with `folder` as its working folder.

    Raises:
        CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
    )
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    client.execute(env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)})
    return notebook


def settle(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without what only a live kernel can show, and without what differs from run to run for nothing."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # clock times of every cell
        if cell.cell_type == "code":
            cell.outputs = [output for output in map(_settled, cell.outputs) if output is not None]
    return notebook


def _settled(output: Any) -> Any:
    data = output.get("data", {})
    if LIVE in data:
        del data[LIVE]
        if set(data) <= {"text/plain"}:
            return None
    return None if output.get("name") == "stderr" else output


def main(arguments: list[str]) -> int:
    if sys.platform == "win32":  # the kernel's sockets need it
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    paths = [Path(a) for a in arguments] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    for path in paths:
        started = time.perf_counter()
        try:
            with tempfile.TemporaryDirectory() as folder:
                notebook = settle(execute(path, Path(folder)))
        except CellExecutionError as error:
            print(f"{path.name} failed, nothing was written:\n{error}", file=sys.stderr)
            return 1
        nbformat.write(notebook, path)
        print(f"{path.name}: {time.perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
