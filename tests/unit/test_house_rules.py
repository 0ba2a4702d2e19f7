"""The rules of the house, held by reading the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from energy_assets.settings import PROJECT_ROOT

PACKAGE = PROJECT_ROOT / "energy_assets"
MODULES = sorted(PACKAGE.rglob("*.py"))
ALL_MODULES = [*MODULES, *sorted((PROJECT_ROOT / "tests").rglob("*.py"))]
DOMAINS = ("sources", "simulation", "forecasting", "flexibility", "monitoring")
LONGEST = 300
# Names that newer releases call deprecated or superseded, in the libraries that are used.
DEPRECATED = re.compile(
    r"\b(AutoMaterializePolicy|LegacyFreshnessPolicy|build_last_update_freshness_checks|SourceAsset|"
    r"load_assets_from_dbt_project|non_argument_deps|define_dagstermill_asset|with_resources|"
    r"fetch_arrow_table|fetch_df|fetchdf|\.arrow\(\)|utcnow|utcfromtimestamp|with_row_count|groupby_rolling|"
    r"pl\.count\(\)|apply_ufunc|concurrency_key)\b"
)


def named(path: Path) -> str:
    """The path as people say it."""
    return str(path.relative_to(PROJECT_ROOT))


def imports(path: Path) -> Iterator[str]:
    """Names of the modules that a file imports, at its top or further down."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(path)}:{node.lineno}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", ALL_MODULES, ids=named)
def test_modules_are_short_and_say_what_they_are(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST or path.is_relative_to(PROJECT_ROOT / "tests")
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), f"{named(path)} does not open with a docstring"


def test_only_defs_and_definitions_import_dagster() -> None:
    allowed = (PACKAGE / "defs", PACKAGE / "definitions.py")
    for path in MODULES:
        if not any(path == place or path.is_relative_to(place) for place in allowed):
            found = [name for name in imports(path) if name.split(".")[0].startswith("dagster")]
            assert found == [], named(path)


@pytest.mark.parametrize("domain", DOMAINS)
def test_domains_know_neither_each_others_insides_nor_connections(domain: str) -> None:
    """Another domain's package may be imported, its modules may not; nobody below `defs` knows `defs`."""
    for path in sorted((PACKAGE / domain).rglob("*.py")):
        for name in imports(path):
            assert name.split(".")[0] != "duckdb", named(path)
            assert not name.startswith(("energy_assets.defs", "energy_assets.warehouse", "energy_assets.settings")), (
                f"{named(path)} imports {name}"
            )
            if name.startswith(tuple(f"energy_assets.{other}." for other in DOMAINS if other != domain)):
                inside = PACKAGE.joinpath(*name.split(".")[1:])
                assert not inside.is_dir(), f"{named(path)} imports {name}"
                assert not inside.with_suffix(".py").exists(), f"{named(path)} imports {name}"


def test_nothing_but_settings_reads_the_environment_at_import() -> None:
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
                continue
            assert "os.environ" not in ast.unparse(node), f"{named(path)}:{node.lineno}"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_deprecated_names(path: Path) -> None:
    assert DEPRECATED.findall(path.read_text()) == []


def test_definitions_has_no_loose_definitions_beside_its_function() -> None:
    """Dagster overlooks what is decorated in the module of a `@dg.definitions` function."""
    body = ast.parse((PACKAGE / "definitions.py").read_text()).body
    decorated = [n for n in body if isinstance(n, ast.FunctionDef) and n.decorator_list]
    assert [ast.unparse(d) for n in decorated for d in n.decorator_list] == ["dg.definitions"]
