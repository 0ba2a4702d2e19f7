"""No file that comes in can become code: what the package may import and call, by its syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from energy_assets.settings import PROJECT_ROOT

MODULES = sorted((PROJECT_ROOT / "energy_assets").rglob("*.py"))
# Reading one of these runs what its writer wanted.
EXECUTING = {"pickle", "cPickle", "joblib", "dill", "cloudpickle", "marshal", "shelve", "jsonpickle"}
CALLS = {"eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system", "os.popen", "torch.load",
         "np.load", "numpy.load", "pd.read_pickle"}  # fmt: skip


def found(tree: ast.AST) -> Iterator[str]:
    """What must not be there, as written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in EXECUTING)
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] in EXECUTING:
                yield node.module or ""
        elif isinstance(node, ast.Call):
            if ast.unparse(node.func) in CALLS:
                yield ast.unparse(node.func)
            if any(k.arg == "shell" and ast.unparse(k.value) != "False" for k in node.keywords):
                yield ast.unparse(node)


def test_nothing_that_is_read_is_executed() -> None:
    assert len(MODULES) > 100
    assert {path.name: names for path in MODULES if (names := list(found(ast.parse(path.read_text()))))} == {}


@pytest.mark.parametrize(
    "code",
    ["import pickle", "from joblib import load", "import joblib.numpy_pickle", "eval(x)", "yaml.load(x, Loader=y)",
     "subprocess.run(x, shell=True)", "torch.load(path)", "subprocess.Popen(x, shell=why)"],
)  # fmt: skip
def test_the_search_finds_what_it_is_for(code: str) -> None:
    assert len(list(found(ast.parse(code)))) == 1


def test_the_search_lets_the_safe_ones_pass() -> None:
    safe = "yaml.safe_load(x); model.eval(); subprocess.run(x, shell=False); import json; Path('pickle').stat()"
    assert list(found(ast.parse(safe))) == []
