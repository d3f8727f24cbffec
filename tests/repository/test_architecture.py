"""The code's structure: who imports whom, what stays light, what is never called."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import architecture
import pytest

ROOT = Path(__file__).parents[2]
Rule = Callable[[Path], list[str]]
RULES: list[Rule] = [
    architecture.layering,
    architecture.long_files,
    architecture.unsafe_calls,
    architecture.machine_paths,
    architecture.open_servers,
]
HEAVY = "torch torchvision pandas matplotlib plotly scipy.stats sklearn ipywidgets IPython tqdm.notebook".split()
PUBLIC = """
    load_data Dataset CNNSpace MLPSpace TrainingSpace search load_model sweep transfer start estimate
    open_store Problem stage1 stage2 stage3 BayesianOptimizer SobolSearch RandomSearch GaussianProcess similarity
    CNN MLP Training Config DncError
""".split()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_repository_keeps_the_rule(rule: Rule) -> None:
    assert rule(ROOT) == []


HOME = "/".join(["", "home", "someone"])  # not as one text: this file too is searched for such paths
MAC_HOME, WINDOWS_HOME = HOME.replace("home", "Users"), "\\".join(["C:", "Users", "someone"])

# Each line breaks one rule: file, its text, the rule, a part of the message.
BROKEN = [
    ("dnc/config.py", "import dnc.space", architecture.layering, "config imports dnc.space"),
    (
        "dnc/config.py",
        "from dnc.data.dataset import Dataset",
        architecture.layering,
        "dnc.data.dataset.Dataset",
    ),
    (
        "dnc/config.py",
        "def f():\n    from dnc import space",
        architecture.layering,
        ":2: config imports dnc.space",
    ),
    ("dnc/config.py", "from dnc import CNN", architecture.layering, "config imports dnc.CNN"),
    ("dnc/config.py", "import dnc", architecture.layering, "config imports dnc"),
    (
        "dnc/config.py",
        "from importlib import import_module as f\nimport_module('dnc.cli')",
        architecture.layering,
        "dnc.cli",
    ),
    (
        "dnc/bayesopt/gp.py",
        "from ..data import dataset",
        architecture.layering,
        "bayesopt imports dnc.data.dataset",
    ),
    (
        "dnc/bayesopt/gp.py",
        "from dnc.space import CNNSpace",
        architecture.layering,
        "bayesopt imports dnc.space",
    ),
    (
        "dnc/networks/cnn.py",
        "from dnc.data import dataset",
        architecture.layering,
        "networks imports dnc.data",
    ),
    (
        "dnc/store/rows.py",
        "import dnc.plots.style",
        architecture.layering,
        "store imports dnc.plots.style",
    ),
    ("dnc/config.py", "def f():\n    import torch", architecture.layering, ":2: imports torch"),
    ("dnc/space/cnn.py", "from pandas import DataFrame", architecture.layering, "imports pandas.DataFrame"),
    ("dnc/nowhere.py", "", architecture.layering, "nowhere has no level"),
    ("dnc/config.py", "x = 1\n" * 351, architecture.long_files, "351 lines"),
    ("tests/test_x.py", "x = 1\n" * 351, architecture.long_files, "351 lines"),
    ("dnc/data/dataset.py", "import pickle", architecture.unsafe_calls, "imports pickle"),
    (
        "dnc/data/dataset.py",
        "def f(b):\n    from pickle import loads",
        architecture.unsafe_calls,
        ":2: imports pickle",
    ),
    ("dnc/config.py", "eval('1')", architecture.unsafe_calls, "calls eval"),
    ("dnc/config.py", "exec('1')", architecture.unsafe_calls, "calls exec"),
    ("dnc/config.py", "os.system('true')", architecture.unsafe_calls, "calls os.system"),
    ("dnc/config.py", "subprocess.run('true', shell=True)", architecture.unsafe_calls, "with shell"),
    ("dnc/config.py", "print(1)", architecture.unsafe_calls, "prints"),
    ("dnc/data/dataset.py", "np.load(f, allow_pickle=True)", architecture.unsafe_calls, "other than False"),
    ("dnc/data/dataset.py", "np.load(f, allow_pickle=flag)", architecture.unsafe_calls, "other than False"),
    ("dnc/data/dataset.py", "np.load(f)", architecture.unsafe_calls, "without allow_pickle=False"),
    ("dnc/data/dataset.py", "pd.read_pickle(f)", architecture.unsafe_calls, "read_pickle"),
    ("dnc/training/save.py", "torch.load(f)", architecture.unsafe_calls, "weights_only=True"),
    (
        "dnc/training/save.py",
        "torch.load(f, weights_only=False)",
        architecture.unsafe_calls,
        "weights_only=True",
    ),
    ("tools/a.py", "import pickle", architecture.unsafe_calls, "imports pickle"),
    ("reproduce.py", "eval('1')", architecture.unsafe_calls, "calls eval"),
    ("tools/start.sh", "jupyter lab --ip=0.0.0.0", architecture.open_servers, "start.sh:1"),
    ("Makefile", "lab:\n\tjupyter lab --ip='*'", architecture.open_servers, "Makefile:2"),
    ("tools/jupyter_server_config.py", "c.ServerApp.ip = '*'", architecture.open_servers, "config.py:1"),
    ("docs.md", f"see {HOME}/x", architecture.machine_paths, "docs.md:1"),
    ("notebooks/a.ipynb", "{}\n" + MAC_HOME, architecture.machine_paths, "a.ipynb:2"),
    ("dnc/config.py", f"p = {WINDOWS_HOME!r}", architecture.machine_paths, "config.py:1"),
]


@pytest.mark.parametrize(("file", "text", "rule", "message"), BROKEN)
def test_a_broken_rule_is_found(tmp_path: Path, file: str, text: str, rule: Rule, message: str) -> None:
    tree = sound_tree(tmp_path)
    assert rule(tree) == []
    write(tree / file, text)
    found = rule(tree)
    assert len(found) == 1
    assert message in found[0]


def test_the_path_of_the_checkout_is_found(tmp_path: Path) -> None:
    tree = sound_tree(tmp_path)
    write(tree / "notes.md", f"it lies in {tree}/data")
    assert architecture.machine_paths(tree) == ["notes.md:1: names a path of one machine"]


def test_environments_and_caches_are_not_judged(tmp_path: Path) -> None:
    tree = sound_tree(tmp_path)
    for folder in (".venv", ".git", "dnc/__pycache__"):
        write(tree / folder / "x.py", "x = 1\n" * 400 + "# " + HOME)
    assert [rule(tree) for rule in RULES] == [[]] * len(RULES)


def sound_tree(root: Path) -> Path:
    """A small package that keeps every rule, close to each of their borders."""
    write(root / "dnc/__init__.py", "from dnc.config import CNN\nfrom dnc.searches.archive import open_store")
    write(root / "dnc/errors.py", "x = 1\n" * 350)
    write(root / "dnc/config.py", "import math\nimport numpy as np\nfrom dnc.errors import DncError")
    write(
        root / "dnc/space/cnn.py",
        "from dnc import config\nfrom dnc.bayesopt.kernel import Kernel\nfrom .. import errors\nfrom . import mlp",
    )
    write(root / "dnc/bayesopt/kernel.py", "def f():\n    import scipy.stats")
    write(root / "dnc/bayesopt/gp.py", "from .kernel import Kernel\nfrom ..config import CNN")
    write(root / "dnc/data/dataset.py", "import torch\nnp.load(f, allow_pickle=False)\nmodel.eval()")
    write(root / "dnc/training/save.py", "torch.load(f, weights_only=True)\nfrom dnc.networks import build")
    write(root / "dnc/searches/archive.py", "from dnc.store import rows\nfrom dnc.searches import stages")
    write(root / "dnc/cli.py", "import dnc\nprint(dnc)")
    write(root / "tools/run.py", "print(1)\nlaunch('jupyter lab --ip=127.0.0.1')")
    write(root / "Makefile", "lab:\n\tjupyter lab --ip localhost")
    write(root / "docs.md", "~/data, $HOME/data, example.org/home/page, src/root/file, /usr/bin/env")
    return root


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
