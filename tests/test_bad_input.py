"""Bad input of every kind: one line that names the value, what is allowed and what to do; and nothing is written.

What the command line refuses is in test_cli_errors.py too.
"""

from __future__ import annotations

import gzip
import math
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from files import Trap

import dnc
from dnc import CNN, MLP, CNNSpace, Config, Dataset, MLPSpace, Training, TrainingSpace, cli
from dnc.errors import ArgumentError, DataError, DncError

ROOT = Path(__file__).parents[1]
NAN, INF = math.nan, math.inf
X, Y = np.random.default_rng(0).random((40, 6), dtype=np.float32), np.arange(40) % 4
IMAGES = np.zeros((40, 3, 8, 8), np.uint8)
Call = Callable[[], Any]


def arrays(x: Any = X, y: Any = Y, **options: Any) -> Call:
    return lambda: Dataset.from_arrays(x, y, **options)


def at(array: np.ndarray, place: int, value: Any) -> np.ndarray:
    changed = array.astype(float) if isinstance(value, float) else array.copy()
    changed[place] = value
    return changed


def search(**options: Any) -> Call:
    def call() -> None:
        data = options.pop("data", None) or Dataset.from_arrays(X, Y)
        space = options.pop("space", None) or MLPSpace(hidden_layers=(0, 1), nodes=(2, 3))
        given = {"epochs": 1, "n1": 1, "n2": 0, "workers": 0, "store": "new.db", "progress": False, **options}
        dnc.search(data, space, **given)

    return call


# A call, and words of its error: what was given, and what is allowed or what to do.
DATA: list[tuple[str, Call, tuple[str, ...]]] = [
    ("NaN", arrays(at(X, 3, NAN)), ("x", "NaN or infinite", "clean or scale")),
    ("infinity", arrays(at(X, 3, INF)), ("NaN or infinite",)),
    ("too large for float32", arrays(at(X, 3, 1e300)), ("NaN or infinite",)),
    ("objects", arrays(np.array([[1], [None]] * 20, dtype=object)), ("holds", "object", "numbers")),
    ("complex", arrays(X.astype(complex)), ("complex128", "numbers")),
    ("text inputs", arrays(X.astype(str)), ("array of numbers",)),
    ("dates", arrays(np.zeros((40, 2), "datetime64[s]")), ("datetime64", "numbers")),
    ("no samples", arrays(X[:0], Y[:0]), ("shape (0, 6)",)),
    ("one number", arrays(3.0, 1), ("shape ()",)),
    ("one row", arrays(X[0], Y[:1]), ("shape (6,)",)),
    ("five axes", arrays(np.zeros((4, 1, 2, 2, 2)), Y[:4]), ("(4, 1, 2, 2, 2)",)),
    ("mixed image sizes", arrays([np.zeros((8, 8)), np.zeros((9, 8))], [0, 1]), ("same shape",)),
    ("channels first or last?", arrays(np.zeros((40, 3, 5, 3), np.uint8), Y), ("layout=",)),
    ("layout", arrays(IMAGES, Y, layout="NCWH"), ("layout='NCWH'", "did you mean")),
    ("fewer labels", arrays(X, Y[:30]), ("30 labels for 40 samples",)),
    ("negative label", arrays(X, at(Y, 0, -1)), ("label -1", "number the classes from 0")),
    ("fraction as label", arrays(X, at(Y, 0, 0.5)), ("label 0.5", "whole numbers")),
    ("NaN as label", arrays(X, at(Y, 0, NAN)), ("label nan", "whole numbers")),
    ("label gap", arrays(X, Y * 2), ("no sample of class 1", "without gaps")),
    ("huge label", arrays(X, at(Y, 0, 10**12)), ("1000000000000", "allowed are 0 to")),
    ("one class", arrays(X, Y * 0), ("one class only", "at least two")),
    ("one class of text", arrays(X, ["a"] * 40), ("one class only",)),
    ("one-hot labels", arrays(X, np.eye(4)[Y]), ("shape (40, 4)", "argmax(1)")),
    ("objects as labels", arrays(X, np.array([None] * 40)), ("Python objects",)),
    ("unknown test label", arrays(x_test=X, y_test=Y + 1), ("label 4", "0 to 3")),
    ("test of another shape", arrays(x_test=X[:, :3], y_test=Y), ("(40, 3)", "(N, 6)")),
    ("test without labels", arrays(x_test=X), ("give both or neither",)),
    ("labels without test", arrays(y_val=Y), ("give both or neither",)),
    ("empty validation set", arrays(val_fraction=0.0), ("val_fraction=0",)),
    ("nothing to train on", arrays(val_fraction=1.0), ("val_fraction=1",)),
    ("fraction NaN", arrays(val_fraction=NAN), ("val_fraction=nan",)),
    ("n_train 0", arrays(n_train=0), ("n_train=0", "from 2 to")),
    ("n_train too many", arrays(n_train=10**9), ("n_train=1000000000",)),
    ("n_val negative", arrays(n_val=-3), ("n_val=-3",)),
    ("seed", arrays(split_seed=-1), ("split_seed=-1",)),
    ("name", arrays(name=""), ("name=''",)),
    ("class names", arrays(classes=("a", "b")), ("2 class names for 4",)),
    ("class names that are none", arrays(classes=5), ("classes=5", "one name per class")),
    ("a class name twice", arrays(classes=tuple("abca")), ("repeats 'a'",)),
    ("a class name is missing", arrays(classes=("a", "b", "c", None)), ("None", "one name per class")),
    ("text not in classes", arrays(X, list("ab") * 20, classes=("a", "c")), ("'b' in row 1", "not in classes")),
    ("a label is missing", arrays(X, [None, *Y[1:]]), ("no label in row 0", "leave them out")),
    ("labels beyond the floats", arrays(X, [10**400, *Y[1:]]), ("label inf in row 0", "whole numbers")),
    ("image_shape", arrays(image_shape=(1, 2, 4)), ("image_shape=(1, 2, 4)",)),
    ("image_shape of two", arrays(image_shape=(2, 3)), ("image_shape=(2, 3)", "(channels, height, width)")),
    ("image_size of flat rows", arrays(image_size=4), ("image_size=4", "image_shape=")),
    ("image_size larger", arrays(IMAGES, Y, image_size=9), ("image_size=9", "from 1 to 8")),
    ("augmented rows", arrays(augment=True), ("image_shape=",)),
]  # fmt: skip
SEARCH: list[tuple[str, Call, tuple[str, ...]]] = [
    ("wc negative", search(wc=-0.1), ("wc=-0.1", "[0, inf)")),
    ("wc NaN", search(wc=NAN), ("wc=nan",)),
    ("wc infinite", search(wc=INF), ("wc=inf",)),
    ("wc text", search(wc="0.1"), ("wc='0.1'",)),
    ("penalty", search(penalty="params"), ("penalty='params'", "did you mean 'n_params'?")),
    ("epochs 0", search(epochs=0), ("epochs=0", "at least 1")),
    ("epochs fraction", search(epochs=1.5), ("epochs=1.5", "whole number")),
    ("epochs bool", search(epochs=True), ("epochs=True",)),
    ("epochs text", search(epochs="3"), ("epochs='3'",)),
    ("n1 0", search(n1=0), ("n1=0", "from 1 to")),
    ("n1 huge", search(n1=10**12), ("n1=1000000000000",)),
    ("n2 negative", search(n2=-1), ("n2=-1",)),
    ("n3 0", search(n3=0), ("n3=0",)),
    ("n3 too large for memory", search(n2=10**5, n1=10**5, n3=10**7), ("n3=10000000", "give a smaller n3")),
    ("n3 NaN", search(n3=NAN), ("n3=nan",)),
    ("seed negative", search(seed=-1), ("seed=-1",)),
    ("seed huge", search(seed=2**70), ("seed=1180591620717411303424",)),
    ("train_seed", search(train_seed=0.5), ("train_seed=0.5",)),
    ("reference 0", search(reference=0), ("reference=0",)),
    ("workers", search(workers="all"), ("workers='all'", '"auto"')),
    ("workers negative", search(workers=-1), ("workers=-1",)),
    ("workers huge", search(workers=10**6), ("workers=1000000", "1024")),
    ("device", search(device="gpu"), ("device='gpu'", "cuda")),
    ("method", search(method="slow"), ("method='slow'", "fast")),
    ("optimizer", search(optimizer="bayes"), ("optimizer='bayes'", "did you mean 'bayesian'?")),
    ("transform", search(transform="log"), ("transform='log'", "log10")),
    ("batch", search(batch=0), ("batch=0",)),
    ("stage2_order", search(stage2_order=["drop"]), ("'drop'", "did you mean 'dropout'?")),
    ("stage2_order twice", search(stage2_order=["dropout", "dropout"]), ("repeats a name",)),
    ("max_hours", search(max_hours=-1), ("max_hours=-1",)),
    ("trial_timeout", search(trial_timeout=0), ("trial_timeout=0",)),
    ("retry_failed", search(retry_failed="yes"), ("retry_failed='yes'", "True or False")),
    ("store in no folder", search(store="no/such/t.db"), ("'no/such/t.db'", "create it first")),
    ("store is a folder", search(store="."), ("is a folder", "trials.db")),
    ("store is a text", search(store="text.txt"), ("not a trial store",)),
    ("data", search(data="digits"), ("data='digits'", "dnc.load_data")),
    ("space", search(space="mlp"), ("space='mlp'", "dnc.CNNSpace")),
    ("CNN on rows", search(space=CNNSpace()), ("flat samples of 6", "image_shape=")),
    ("network too large", search(space=MLPSpace(nodes=(20, 10**5), hidden_layers=(0, 99))), ("GB", "nodes=")),
    ("CNN too large", search(data=Dataset.from_arrays(IMAGES, Y), space=CNNSpace(max_channels=10**5, first_channels=(
        10**5, 10**5))), ("GB of memory", "max_channels=")),
    ("sweep of nothing", lambda: dnc.sweep(Dataset.from_arrays(X, Y), MLPSpace(), wcs=(), store="new.db"), ("wcs=()",)),
    ("sweep of NaN", lambda: dnc.sweep(Dataset.from_arrays(X, Y), MLPSpace(), wcs=[0, NAN]), ("wcs[1]=nan",)),
    ("sweep n1", lambda: dnc.sweep(Dataset.from_arrays(X, Y), MLPSpace(), n1=0, store="new.db"), ("n1=0",)),
    ("estimate n1", lambda: dnc.estimate(Dataset.from_arrays(X, Y), MLPSpace(), n1=0, store="new.db"), ("n1=0",)),
    ("no such store", lambda: dnc.open_store("none.db"), ("'none.db'", "does not exist")),
    ("no such model", lambda: dnc.load_model("none"), ("no saved model", "none")),
    ("no such data", lambda: dnc.load_data("fmnst"), ("'fmnst'", "did you mean 'fmnist'?")),
]  # fmt: skip
SPACES: list[tuple[str, Call, tuple[str, ...]]] = [
    ("low > high", lambda: MLPSpace(nodes=(9, 4)), ("nodes=(9, 4)", "lower <= upper")),
    ("zero nodes", lambda: MLPSpace(nodes=(0, 4)), ("nodes[0]=0", "1 to")),
    ("negative layers", lambda: MLPSpace(hidden_layers=(-1, 2)), ("hidden_layers[0]=-1",)),
    ("NaN bound", lambda: MLPSpace(nodes=(4, NAN)), ("nodes[1]=nan",)),  # type: ignore[arg-type]
    ("fraction", lambda: CNNSpace(conv_layers=(1.5, 3)), ("conv_layers[0]=1.5",)),  # type: ignore[arg-type]
    ("one bound", lambda: CNNSpace(conv_layers=(4,)), ("conv_layers=(4,)", "(lower, upper)")),  # type: ignore[arg-type]
    ("a number", lambda: CNNSpace(conv_layers=4), ("conv_layers=4",)),  # type: ignore[arg-type]
    ("no layers", lambda: CNNSpace(conv_layers=(0, 3)), ("conv_layers[0]=0",)),
    ("too deep", lambda: CNNSpace(conv_layers=(4, 10**6)), ("conv_layers[1]=1000000", "1000")),
    ("c_1 above the most", lambda: CNNSpace(first_channels=(16, 999), max_channels=64), ("first_channels[1]=999",)),
    ("drop 1", lambda: MLPSpace(drop=1.0), ("drop=1.0", "[0, 1)")),
    ("activation", lambda: MLPSpace(activation="rely"), ("activation='rely'", "did you mean 'relu'?")),
    ("lr 0", lambda: TrainingSpace(lr=(0.0, 0.1)), ("lr",)),
    ("lr turned round", lambda: TrainingSpace(lr=(0.1, 0.01)), ("lr=(0.1, 0.01)",)),
    ("batch 0", lambda: TrainingSpace(batch_size=(0, 4)), ("batch_size[0]=0",)),
    ("weights of the kernel", lambda: TrainingSpace(weights=(1.0, 1.0, 1.0)), ("weights=",)),
    ("r above 1", lambda: MLPSpace(r=(0.5, 2.0)), ("r",)),
    ("omega too small", lambda: CNNSpace(omega=0.5), ("omega=0.5",)),
    ("width", lambda: MLP(hidden=(10**6,)), ("hidden[0]=1000000", "100000")),
    ("pool beyond the net", lambda: CNN(channels=(4, 4), pools=(3,)), ("pools[0]=3",)),
    ("no channels", lambda: CNN(channels=()), ("channels=()",)),
    ("rate NaN", lambda: Training(lr=NAN), ("lr=nan",)),
    ("decay negative", lambda: Training(weight_decay=-1e-4), ("weight_decay=-0.0001",)),
    ("batch size", lambda: Training(batch_size=0), ("batch_size=0",)),
    ("config of text", lambda: Config("mlp"), ("arch='mlp'",)),  # type: ignore[arg-type]
    ("config of bad JSON", lambda: Config.from_json('{"family": "rnn"}'), ("rnn",)),
    ("similarity", lambda: dnc.similarity(MLP((4,)), CNN((4,)), MLPSpace()), ("CNN",)),
    ("n3 of an optimizer", lambda: dnc.BayesianOptimizer(MLPSpace().stage1(), n3=0), ("n3=0",)),
    ("told text", lambda: dnc.RandomSearch(MLPSpace().stage1()).tell(MLP((30,)), "0.1"), ("value='0.1'",)),  # type: ignore[arg-type]
    ("noise", lambda: dnc.GaussianProcess(MLPSpace().kernel(), noise=-1), ("noise=-1",)),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("this is not a store")


@pytest.fixture
def unchanged() -> Iterator[None]:
    before = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()}
    yield
    assert {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()} == before


ALL = [*DATA, *SEARCH, *SPACES]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(("call", "words"), [c[1:] for c in ALL], ids=[c[0] for c in ALL])
def test_bad_input_is_one_clear_line(call: Call, words: tuple[str, ...]) -> None:
    with pytest.raises(DncError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    assert [word for word in words if word not in message] == [], message


def test_the_table_is_long_enough() -> None:
    assert len(ALL) >= 80
    assert len({name for name, *_ in ALL}) == len(ALL)


# ---- files, through the command line ----------------------------------------------------------------------------


def good() -> dict[str, Any]:
    return {"xtr": X, "ytr": Y, "xte": X[:8], "yte": Y[:8]}


def torn(path: Path) -> None:
    np.savez(path, **good())
    path.write_bytes(path.read_bytes()[:-300])


NPZ: list[tuple[str, Callable[[Path], Any], str]] = [
    ("missing key", lambda p: np.savez(p, xtr=X, xte=X, yte=Y), "no ytr"),
    ("test samples without labels", lambda p: np.savez(p, xtr=X, ytr=Y, xte=X), "has xte but no yte"),
    ("test labels without samples", lambda p: np.savez(p, xtr=X, ytr=Y, yte=Y), "has yte but no xte"),
    ("a name twice", lambda p: np.savez(p, **good(), classes=list("abca")), "repeats 'a'"),
    ("objects", lambda p: np.savez(p, **{**good(), "xtr": np.array([Trap(Path("executed"))])}), "allow_pickle=False"),
    ("NaN", lambda p: np.savez(p, **{**good(), "xtr": at(X, 0, NAN)}), "NaN"),
    ("label gap", lambda p: np.savez(p, **{**good(), "ytr": Y * 3}), "without gaps"),
    ("lengths", lambda p: np.savez(p, **{**good(), "ytr": Y[:7]}), "7 labels for 40 samples"),
    ("no test sample", lambda p: np.savez(p, **{**good(), "xte": X[:0], "yte": Y[:0]}), "shape (0, 6)"),
    ("torn", torn, "torn.npz"),
    ("text", lambda p: p.write_text("x,y\n1,2\n"), "78 2c 79 0a"),
    ("empty", lambda p: p.write_bytes(b""), "nothing"),
    ("folder", lambda p: p.mkdir(), "folder.npz"),
    ("pickle", lambda p: p.write_bytes(b"\x80\x04cos\nsystem\n(S'touch executed'\ntR."), "80 04"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make", "part"), NPZ, ids=[n[0] for n in NPZ])
def test_bad_npz_files(capsys: pytest.CaptureFixture[str], name: str, make: Callable[[Path], Any], part: str) -> None:
    path = Path(f"{name.replace(' ', '-')}.npz")
    make(path)
    before = sorted(Path().rglob("*"))
    assert cli.main(["search", str(path), "--workers", "0", "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert part in err
    assert sorted(Path().rglob("*")) == before


IDX = struct.pack(">BBBB3I", 0, 0, 8, 3, 2, 28, 28) + bytes(2 * 28 * 28)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "nothing"),
        (IDX[:-5], "it is damaged, get it again"),
        (IDX, "instead of"),
        (gzip.compress(IDX)[:-9], "EOFError"),
        (b"<html>404</html>" * 30, "3c 68 74 6d"),
    ],
    ids=["empty", "cut", "too few", "gzip cut", "a web page"],
)
def test_corrupt_downloads(capsys: pytest.CaptureFixture[str], content: bytes, part: str) -> None:
    raw = Path("MNIST/raw")
    raw.mkdir(parents=True)
    labels = struct.pack(">BBBBI", 0, 0, 8, 1, 2) + b"\0\1"
    for name in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte"):
        (raw / name).write_bytes(content)
    for name in ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"):
        (raw / name).write_bytes(labels)
    assert cli.main(["search", "mnist", "--root", ".", "--workers", "0", "--quiet"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert part in err
    assert not Path("trials.db").exists()


# ---- reproduce.py -------------------------------------------------------------------------------------------------

REPRODUCE = [
    ([], 2, "nothing to do"),
    (["--figure"], 2, "--figure"),
    (["--figure", "9"], 2, "9"),
    (["--figure", "2", "--table", "1"], 2, "not allowed with"),
    (["--table", "x"], 2, "x"),
    (["--appendix", "kernl"], 2, "kernl"),
    (["--figure", "2", "--scale", "huge"], 2, "huge"),
    (["--figure", "2", "--seed", "-1"], 2, "seed=-1"),
    (["--figure", "2", "--seed", "x"], 2, "seed='x'"),
    (["--figure", "7", "--workers", "many"], 2, "workers='many'"),
    (["--figure", "7", "--workers", "-1"], 2, "workers=-1"),
    (["--figure", "7", "--device", "tpu"], 2, "device='tpu'"),
    (["--figure", "2", "--estimate", "--replot"], 2, "exclude each other"),
    (["--figre", "2"], 2, "--figre"),
    (["--figure", "2", "--replot"], 1, "figures"),
    (["--claims"], 1, "has none"),
    (["--figure", "2", "--out", "text.txt"], 2, "give a folder"),
    (["--figure", "7", "--scale", "smoke", "--store", "text.txt", "--workers", "0"], 1, "not a trial store"),
]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(("argv", "code", "part"), REPRODUCE, ids=[" ".join(r[0]) or "nothing" for r in REPRODUCE])
def test_bad_input_of_reproduce(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, argv: list[str], code: int,
    part: str,
) -> None:  # fmt: skip
    monkeypatch.syspath_prepend(str(ROOT))
    import reproduce

    assert reproduce.main(argv) == code
    err = capsys.readouterr().err
    assert err.startswith("reproduce.py: ")
    assert err.count("\n") == 1
    assert part in err
    assert "unexpected" not in err


def test_bad_input_is_an_error_of_its_kind() -> None:
    """Usage errors are ValueErrors too; data errors are not."""
    with pytest.raises(ValueError):
        MLPSpace(nodes=(9, 4))
    with pytest.raises(DataError):
        arrays(Y)()
    assert issubclass(ArgumentError, ValueError)
    assert not issubclass(DataError, ValueError)
    assert sys.version_info >= (3, 11)
