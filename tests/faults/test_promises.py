"""Each promise names tests that are there, and each test of a fault is named by one; outcomes are told as they are."""

from __future__ import annotations

import ast

import pytest

from energy_assets.settings import PROJECT_ROOT
from tests.faults.__main__ import outcome
from tests.faults.promises import PROMISES

TESTS = PROJECT_ROOT / "tests"


def functions(file: str) -> set[str]:
    """Names of the tests in a file."""
    tree = ast.parse((TESTS / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_named_test_is_there_and_every_test_of_a_fault_is_named() -> None:
    named = {test for promise in PROMISES for test in promise.tests}
    for test in sorted(named):
        file, _, name = test.partition("::")
        assert name in functions(file), test
    files = sorted(f"faults/{path.name}" for path in (TESTS / "faults").glob("test_*.py"))
    there = {f"{file}::{name}" for file in files for name in functions(file)}
    own = {test for test in there if "test_promises.py" in test}
    assert there - own <= named


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([["passed"], ["passed", "passed"]], "holds"),
        ([["passed"], ["skipped"]], "holds; 1 only in the long form"),
        ([["skipped"]], "not tried; 1 only in the long form"),
        ([["passed", "failed"], ["skipped"]], "**broken**"),
        ([["passed"], []], "**broken**"),
    ],
)
def test_an_outcome_is_no_better_than_its_worst_test(results: list[list[str]], said: str) -> None:
    assert outcome(results) == said
