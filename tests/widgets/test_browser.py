"""JupyterLab in a real browser: the slider is dragged, and the notebook is looked at before its kernel has run."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
from test_tradeoff import make_result

from dnc.searches.result import SearchResult

ROOT = Path(__file__).parents[2]
SECONDS = 90_000  # milliseconds that the browser may take for one thing; it takes a few thousand
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
TITLE = "document.querySelector('.js-plotly-plot .gtitle').textContent"
CELL = """import sys
sys.path.insert(0, {tests!r})
from test_tradeoff import make_result
from dnc.widgets import TradeoffExplorer
TradeoffExplorer(make_result())"""
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]


class Lab(NamedTuple):
    """A running JupyterLab."""

    folder: Path
    port: int
    token: str

    def url(self, notebook: str) -> str:
        return f"http://127.0.0.1:{self.port}/lab/tree/{notebook}?token={self.token}"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a free port of this machine, with settings of its own."""
    folder, own = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("jupyter")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = Lab(folder, port, secrets.token_hex(16))
    kinds = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR", "CONFIG_PATH")
    environment = {**os.environ, **{f"JUPYTER_{kind}": str(own / kind) for kind in kinds}, "PYTHONPATH": str(ROOT)}
    settings = own / "DATA_DIR" / "lab" / "settings"
    settings.mkdir(parents=True)
    quiet = '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}'
    (settings / "overrides.json").write_text(quiet)
    with (own / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
             "--ServerApp.port_retries=0", f"--IdentityProvider.token={running.token}",
             f"--ServerApp.root_dir={folder}", f"--LabApp.app_settings_dir={settings}"],
            env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token={running.token}").close()
                break
            except (urllib.error.URLError, ConnectionError):
                assert server.poll() is None, (own / "log").read_text()
                time.sleep(0.1)
        yield running
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1280, "height": 1000})
    opened.set_default_timeout(SECONDS)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    opened.close()
    assert errors == []


def plot(page: Any) -> Any:
    return page.locator(".js-plotly-plot").first


def title_wc(page: Any) -> float:
    text = re.sub("[\u200b\u200c\u200d]", "", plot(page).locator(".gtitle").text_content())
    return float(re.search(r"= ([\d.e+-]+):", text)[1])  # type: ignore[index]


def test_dragging_the_slider_ranks_the_trials_again(lab: Lab, page: Any) -> None:
    result: SearchResult = make_result()
    cell = nbformat.v4.new_code_cell(CELL.format(tests=str(ROOT / "tests")))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), lab.folder / "drag.ipynb")
    page.goto(lab.url("drag.ipynb"))
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.get_by_text("| Idle").wait_for()  # the kernel is there
    choose = page.locator(".jp-Dialog .jp-mod-accept")  # asks for a kernel if the session is not there yet
    page.add_locator_handler(choose, lambda: choose.click())
    page.get_by_text("Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    plot(page).locator(".gtitle").wait_for()
    assert title_wc(page) == 0.1

    def star() -> list[float]:
        return plot(page).evaluate(
            "p => [...p.data].filter(t => t.marker?.symbol === 'star').flatMap(t => [t.x[0], t.y[0]])"
        )

    assert star() == [1.0, pytest.approx(0.1)]
    handle = page.locator(".widget-slider .noUi-handle").bounding_box()
    track = page.locator(".widget-slider .noUi-base").bounding_box()
    y = handle["y"] + handle["height"] / 2
    page.mouse.move(handle["x"] + handle["width"] / 2, y)
    page.mouse.down()
    shown = {title_wc(page)}
    for share in (0.75, 0.9, 0.5, 0.02):
        page.mouse.move(track["x"] + share * track["width"], y, steps=4)
        wanted = page.locator(".widget-slider .widget-readout").inner_text()
        page.wait_for_function(f"{TITLE}.includes('= {wanted}:')")
        best = result.rescore(wc=float(wanted)).best
        assert star() == [best.t_tr, pytest.approx(1 - best.val_acc)]  # while the button is held down
        shown.add(title_wc(page))
    page.mouse.up()
    assert len(shown) == 5
    page.locator(".widget-toggle-button", has_text="parameter count").click()
    page.wait_for_function("document.querySelector('.js-plotly-plot .xtitle').textContent.includes('parameter count')")
    assert star()[0] == result.rescore(wc=title_wc(page), penalty="n_params").best.n_params


def test_the_committed_notebook_shows_the_figure_before_anything_runs(lab: Lab, page: Any) -> None:
    shutil.copy(ROOT / "notebooks" / "00_quick_start.ipynb", lab.folder)
    page.goto(lab.url("00_quick_start.ipynb"))
    cell = page.locator(".jp-Notebook .jp-CodeCell", has_text="TradeoffExplorer(result)")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    for _ in range(100):  # JupyterLab renders a cell when it comes into sight
        if cell.count() and plot(page).count():
            break
        page.mouse.move(640, 600)
        page.mouse.wheel(0, 300)
        page.wait_for_timeout(100)
    plot(page).locator(".gtitle").wait_for()
    plot(page).scroll_into_view_if_needed()
    before = title_wc(page)
    rail = plot(page).locator(".slider-rail-touch-rect").bounding_box()
    page.mouse.click(rail["x"] + rail["width"] - 5, rail["y"] + rail["height"] / 2)
    page.wait_for_function(f"!{TITLE}.includes('= {before:g}:')")
    assert title_wc(page) > before
