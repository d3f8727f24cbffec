"""The code's structure: who imports whom, what stays light, what is never called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from architecture import (
    RULES,
    Rule,
    circles,
    folder_imports,
    heavy_imports,
    large_folders,
    long_files,
    machine_paths,
    many_parameters,
    open_servers,
    paper_numbers,
    unsafe_calls,
    whole_writes,
    words,
)
from rules_imports import FOLDERS, MAY_IMPORT, needless_permissions
from rules_size import PUBLIC_WITH_MANY

ROOT = Path(__file__).parents[2]
HEAVY = "torch torchvision pandas matplotlib plotly scipy.stats sklearn ipywidgets IPython tqdm.notebook".split()
PUBLIC = """
    load_data Dataset CNNSpace MLPSpace TrainingSpace search load_model sweep transfer start estimate
    open_store cite Problem stage1 stage2 stage3 BayesianOptimizer SobolSearch RandomSearch GaussianProcess similarity
    CNN MLP Training Config DncError
""".split()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_repository_keeps_the_rule(rule: Rule) -> None:
    assert rule(ROOT) == []


def test_the_tables_of_imports_allow_no_more_than_is_needed() -> None:
    assert needless_permissions(ROOT) == []


def test_the_tables_of_imports_have_no_circle() -> None:
    names = list(FOLDERS)
    assert [name for i, name in enumerate(names) if not set(FOLDERS[name].split()) <= set(names[:i])] == []
    assert {other for others in MAY_IMPORT.values() for other in others} <= set(MAY_IMPORT)


def test_only_public_functions_may_have_many_parameters() -> None:
    import dnc

    assert {name.split(".")[0] for name in PUBLIC_WITH_MANY} <= set(dnc.__all__)


HOME = "/".join(["", "home", "someone"])  # not as one text: this file too is searched for such paths and words
MAC_HOME, WINDOWS_HOME = HOME.replace("home", "Users"), "\\".join(["C:", "Users", "someone"])
BRITISH, PHRASE = "s".join(["optimi", "ation"]), " ".join(["every", "so", "many", "layers"])

# For each rule, what breaks it once: file, its text, a part of the message.
BROKEN: dict[Rule, list[tuple[str, str, str]]] = {
    folder_imports: [
        ("dnc/config.py", "import dnc.space", "config may not import dnc.space"),
        ("dnc/config.py", "from dnc.data.dataset import Dataset", "dnc.data.dataset.Dataset"),
        ("dnc/config.py", "def f():\n    from dnc import space", ":2: config may not import dnc.space"),
        ("dnc/config.py", "from dnc import CNN", "config may not import dnc.CNN"),
        ("dnc/config.py", "import dnc", "config may not import dnc"),
        ("dnc/config.py", "from importlib import import_module as f\nimport_module('dnc.cli')", "dnc.cli"),
        ("dnc/config.py", "from dnc.trial import Trial", "config may not import dnc.trial"),
        ("dnc/bayesopt/gp.py", "from ..data import dataset", "bayesopt may not import dnc.data.dataset"),
        ("dnc/bayesopt/gp.py", "from dnc.space import CNNSpace", "bayesopt may not import dnc.space"),
        ("dnc/networks/cnn.py", "from dnc.data import dataset", "networks may not import dnc.data"),
        ("dnc/store/rows.py", "import dnc.plots.style", "store may not import dnc.plots.style"),
        ("dnc/workers/jobs.py", "from dnc.store.rows import Row", "workers may not import dnc.store.rows"),
        ("dnc/training/cnn_cpu/conv.py", "from dnc.training.mlp_cpu import layout", "a neighboring folder"),
        ("dnc/training/cnn_cpu/conv.py", "from ..mlp_cpu.layout import aligned", "a neighboring folder"),
        ("dnc/nowhere.py", "", "nowhere stands in no table"),
    ],
    circles: [
        ("dnc/errors.py", "import dnc.config", "dnc/config.py -> dnc/errors.py -> dnc/config.py"),
        ("dnc/errors.py", "def f():\n    from dnc import config", "dnc/config.py -> dnc/errors.py -> dnc/config.py"),
        ("dnc/errors.py", "if TYPE_CHECKING:\n    from .config import CNN", "dnc/config.py -> dnc/errors.py"),
        ("dnc/bayesopt/kernel.py", "from dnc.bayesopt import gp", "dnc/bayesopt/gp.py -> dnc/bayesopt/kernel.py ->"),
        ("dnc/config.py", "from dnc import CNN", "dnc/__init__.py -> dnc/config.py -> dnc/__init__.py"),
        ("dnc/errors.py", "from dnc.bayesopt import gp", "(in circles with them: dnc/bayesopt/kernel.py)"),
    ],
    heavy_imports: [
        ("dnc/config.py", "def f():\n    import torch", ":2: imports torch"),
        ("dnc/space/cnn.py", "from pandas import DataFrame", "imports pandas.DataFrame"),
    ],
    long_files: [
        ("dnc/config.py", "x = 1\n" * 351, "351 lines"),
        ("tests/test_x.py", "x = 1\n" * 351, "351 lines"),
    ],
    large_folders: [
        ("dnc/data/dataset.py", "x = 1\n" * 100, "dnc/data: 100 of the 4"),
        ("dnc/training/mlp_cpu/direct.py", "x = 1\n" * 150, "dnc/training: 15"),
    ],
    many_parameters: [
        ("dnc/config.py", "def f(a, b, c, d, e, f, g, h, i, j, k): ...", "config.py:1: f has 11 parameters"),
        ("dnc/config.py", "def f(a, b, c, d, e, f, g, h, i, /, *j, k): ...", "f has 11 parameters"),
        ("dnc/config.py", "def f(a, b, c, d, e, *, f, g, h, i, j, **k): ...", "f has 11 parameters"),
        ("dnc/config.py", "class C:\n def f(self, a, b, c, d, e, f, g, h, i, j, k): ...", ":2: C.f has 11"),
        ("dnc/config.py", "def f():\n def g(a, b, c, d, e, f, g, h, i, j, k): ...", ":2: f.g has 11"),
        ("dnc/config.py", "class C:\n def search(self, a, b, c, d, e, f, g, h, i, j, k): ...", "C.search has 11"),
    ],
    paper_numbers: [
        ("dnc/bayesopt/gp.py", "N1 = 15", "gp.py:1: N1 is written down in dnc/bayesopt/domain.py already"),
        ("dnc/searches/stages.py", "N2, N3 = N2, 1000", "stages.py:1: N3 is written down in"),
        ("dnc/searches/stages.py", "XI: float = 1e-4", "stages.py:1: XI is written down in"),
        ("dnc/searches/stages.py", "def f(x, n1=15): ...", "n1 has a number as its default: name it N1"),
        ("dnc/searches/stages.py", "def f(*, x, n1=15): ...", "n1 has a number as its default: name it N1"),
        ("dnc/searches/stages.py", "class C:\n noise: float = 1e-4", ":2: noise has a number as its default"),
    ],
    words: [
        ("dnc/config.py", "quiet_cpu()", "config.py:1: quiet_cpu: take a name"),
        ("dnc/config.py", "def f(company): ...", "config.py:1: company: take a name"),
        ("dnc/config.py", "class Dropper: ...", "config.py:1: Dropper: take a name"),
        ("dnc/config.py", "def _plain(): ...\n_plain()", "config.py:1: _plain: take a name"),
        ("dnc/config.py", "f(company=1)", "config.py:1: company: take a name"),
        ("dnc/config.py", "self._crew", "config.py:1: _crew: take a name"),
        ("dnc/config.py", "from dnc.errors import perform", "config.py:1: perform: take a name"),
        ("tests/test_x.py", "import numpy as Feed", "test_x.py:1: Feed: take a name"),
        ("dnc/config.py", f"# {BRITISH.capitalize()}", f"config.py:1: {BRITISH.capitalize()}: put it another way"),
        ("docs.md", "two col" + "ours", "docs.md:1: colo" + "ur: put it another way"),
        ("docs.md", f"one\n{PHRASE}", "docs.md:2: " + "every so " + "many: put it another way"),
    ],
    unsafe_calls: [
        ("dnc/data/dataset.py", "import pickle", "imports pickle"),
        ("dnc/data/dataset.py", "def f(b):\n    from pickle import loads", ":2: imports pickle"),
        ("dnc/config.py", "eval('1')", "calls eval"),
        ("dnc/config.py", "exec('1')", "calls exec"),
        ("dnc/config.py", "os.system('true')", "calls os.system"),
        ("dnc/config.py", "subprocess.run('true', shell=True)", "with shell"),
        ("dnc/config.py", "print(1)", "prints"),
        ("dnc/data/dataset.py", "np.load(f, allow_pickle=True)", "other than False"),
        ("dnc/data/dataset.py", "np.load(f, allow_pickle=flag)", "other than False"),
        ("dnc/data/dataset.py", "np.load(f)", "without allow_pickle=False"),
        ("dnc/data/dataset.py", "pd.read_pickle(f)", "read_pickle"),
        ("dnc/training/save.py", "torch.load(f)", "weights_only=True"),
        ("dnc/training/save.py", "torch.load(f, weights_only=False)", "weights_only=True"),
        ("tools/a.py", "import pickle", "imports pickle"),
        ("reproduce.py", "eval('1')", "calls eval"),
    ],
    whole_writes: [
        ("dnc/store/rows.py", "os.replace(part, path)", "rows.py:1: replaces a file: dnc/files.py does that"),
        ("dnc/store/rows.py", "def f():\n    os.rename(part, path)", "rows.py:2: replaces a file"),
        ("tools/a.py", "part.replace(path)", "a.py:1: replaces a file"),
        ("reproduce.py", "(folder / name).rename(path)", "reproduce.py:1: replaces a file"),
    ],
    open_servers: [
        ("tools/start.sh", "jupyter lab --ip=0.0.0.0", "start.sh:1"),
        ("Makefile", "lab:\n\tjupyter lab --ip='*'", "Makefile:2"),
        ("tools/jupyter_server_config.py", "c.ServerApp.ip = '*'", "config.py:1"),
    ],
    machine_paths: [
        ("docs.md", f"see {HOME}/x", "docs.md:1"),
        ("notebooks/a.ipynb", "{}\n" + MAC_HOME, "a.ipynb:2"),
        ("dnc/config.py", f"p = {WINDOWS_HOME!r}", "config.py:1"),
    ],
}


def test_every_rule_is_shown_to_find_something() -> None:
    assert set(BROKEN) == set(RULES)


@pytest.mark.parametrize(
    ("rule", "file", "text", "message"),
    [pytest.param(rule, *case, id=f"{rule.__name__}-{i}") for rule in BROKEN for i, case in enumerate(BROKEN[rule])],
)
def test_a_broken_rule_is_found(tmp_path: Path, rule: Rule, file: str, text: str, message: str) -> None:
    tree = sound_tree(tmp_path)
    assert rule(tree) == []
    write(tree / file, text)
    (violation,) = rule(tree)
    assert message in violation


def test_circles_are_reported_once_each(tmp_path: Path) -> None:
    for name, others in {"a": "b", "b": "c", "c": "a", "d": "e", "e": "d", "f": "a"}.items():
        write(tmp_path / f"dnc/{name}.py", f"from dnc import {others}")
    assert circles(tmp_path) == [
        "dnc/a.py -> dnc/b.py -> dnc/c.py -> dnc/a.py",
        "dnc/d.py -> dnc/e.py -> dnc/d.py",
    ]


def test_a_folder_may_hold_a_fifth(tmp_path: Path) -> None:
    write(tmp_path / "dnc/errors.py", "x = 1\n" * 80)
    write(tmp_path / "dnc/training/loop.py", "x = 1\n" * 10)
    write(tmp_path / "dnc/training/mlp_cpu/direct.py", "x = 1\n" * 10)
    assert large_folders(tmp_path) == []
    write(tmp_path / "dnc/training/loop.py", "x = 1\n" * 11)
    assert large_folders(tmp_path) == ["dnc/training: 21 of the 101 lines of dnc, at most 20 are allowed"]


def test_a_needless_permission_is_found(tmp_path: Path) -> None:
    needless = needless_permissions(sound_tree(tmp_path))
    assert "workers may import training, but does not" in needless
    assert "space may import bayesopt, but does not" not in needless


def test_the_path_of_the_checkout_is_found(tmp_path: Path) -> None:
    tree = sound_tree(tmp_path)
    write(tree / "notes.md", f"it lies in {tree}/data")
    assert machine_paths(tree) == ["notes.md:1: names a path of one machine"]


def test_environments_and_caches_are_not_judged(tmp_path: Path) -> None:
    tree = sound_tree(tmp_path)
    for folder in (".venv", ".git", "dnc/__pycache__"):
        write(tree / folder / "x.py", "x = 1\n" * 400 + "# " + HOME)
    assert [rule(tree) for rule in RULES] == [[]] * len(RULES)


def sound_tree(root: Path) -> Path:
    """A small package that keeps every rule, close to each of their borders."""
    for name, text in SOUND.items():
        write(root / name, text)
    return root


SOUND = {
    "dnc/__init__.py": "from dnc.config import CNN\nfrom dnc.searches.archive import open_store",
    "dnc/errors.py": "x = 1\n" * 350,
    "dnc/files.py": "os.replace(part, path)\ntext.replace(a, b)\nreplace(trial, status=s)",
    "dnc/config.py": "import math\nimport numpy as np\nfrom dnc.errors import DncError",
    "dnc/space/cnn.py": "from dnc import config\nfrom dnc.bayesopt.kernel import Kernel\nfrom .. import errors\n"
    "from . import mlp",
    "dnc/bayesopt/domain.py": "N1, N2, N3 = 15, 15, 1000\nXI: float = 1e-4\ndef f(n1=N1, *, xi: float = XI): ...",
    "dnc/bayesopt/kernel.py": "def f():\n    import scipy.stats\n    from dnc.config import CNN",
    "dnc/bayesopt/gp.py": "from .kernel import Kernel\nfrom ..config import CNN\nfrom dnc.bayesopt.domain import N1",
    "dnc/data/dataset.py": "import torch\nnp.load(f, allow_pickle=False)\nmodel.eval()",
    "dnc/networks/build.py": "def f(self, a, b, c, d, e, f, g, h, i, *j): ...\n"
    "def start(a, b, c, d, e, f, g, h, i, j, k): ...",
    "dnc/training/save.py": "torch.load(f, weights_only=True)\nfrom dnc.networks import build",
    "dnc/training/mlp_cpu/layout.py": "from dnc.training.streams import stream\nfrom . import direct",
    "dnc/searches/archive.py": "from dnc.store import rows\nfrom dnc.searches import stages",
    "dnc/cli.py": "import dnc\nprint(dnc)",
    "tools/run.py": "print(1)\nlaunch('jupyter lab --ip=127.0.0.1')\nthe_company_we_keep, plain, otherwise = 1, 2, 3",
    "Makefile": "lab:\n\tjupyter lab --ip localhost",
    "docs.md": "~/data, $HOME/data, example.org/home/page, src/root/file, /usr/bin/env; arise, otherwise, promises",
}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def loaded(code: str) -> set[str]:
    """The names of all modules that are loaded after `code` ran in a fresh interpreter."""
    script = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import dnc",
        "import dnc; dnc.CNN(channels=(8,)); dnc.CNNSpace; dnc.MLPSpace; dnc.similarity; dnc.GaussianProcess",
        "import dnc.config, dnc.errors, dnc.objective, dnc.trial",
        "import dnc.space",
        "import dnc.bayesopt, pkgutil, importlib\n"
        "for m in pkgutil.iter_modules(dnc.bayesopt.__path__): importlib.import_module('dnc.bayesopt.' + m.name)\n"
        "assert 'dnc.bayesopt.gp' in sys.modules",
    ],
    ids=["package", "light names", "configs", "space", "bayesopt"],
)
def test_light_modules_load_nothing_heavy(code: str) -> None:
    assert loaded(code) & set(HEAVY) == set()


def test_a_heavy_module_would_be_noticed() -> None:
    assert loaded("import scipy.stats") & set(HEAVY) == {"scipy.stats"}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_resolves(name: str) -> None:
    import dnc

    assert getattr(dnc, name).__doc__
    assert name in dnc.__all__
    assert name in dir(dnc)


def test_all_public_names_resolve() -> None:
    import dnc

    assert [name for name in dnc.__all__ if not hasattr(dnc, name)] == []
    assert not hasattr(dnc, "no_such_name")
