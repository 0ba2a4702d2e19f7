"""Whatever stands in sources.yaml: a configuration, or a ConfigError that names the file and says what is wrong."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.config import ConfigError, load_config
from energy_assets.settings import PROJECT_ROOT
from tests.fuzz.strange import FUZZ, RUBBISH, spoiled_bytes

GOOD = """\
market: {timezone: Europe/Paris, country: FR, history_start: 2020-01-01}
forecast: {issue_hour: 9, training_days: 100, own_interval: [homes], promotion: {margin: 0.01}}
anomalies: {actions: {spike: none}}
files: {largest_mb: 100, linked_folders: [/data]}
sources:
  - {name: fleet, type: simulation, seed: 1, history_days: 60}
  - name: homes
    type: meter_files
    path: "landing/*.csv"
    columns: {timestamp: time, value: kwh, meter_id: id}
    interval_minutes: 30
    known_from: 2020-01-01T00:00:00Z
    meters: {a: {name: A, latitude: 1.5}, b: {locations: [x, y]}}
  - {name: f, type: forecast_files, path: f.csv, publisher: p, columns: {timestamp: t}, layout: wide}
"""
TOKENS = re.split(r"(\s|[,:{}\[\]])", GOOD)
STRANGE = (
    *("*a", "&a", "<<: *a", "!!python/object/apply:os.system [id]", "!!python/name:os.system", "!!binary x"),
    *("!!set {x}", "2024-13-45", "2020-01-01T25:00:00Z", ".inf", "-.nan", "-1", "1e400", "9" * 5000, "0x1f", "1:60:60"),
    *("=", "~", "? ", "- ", "|", ">", "%TAG ! x", "---", "...", "[1, 2]", "{a: 1}", "true", "\x85", "\t"),
)  # fmt: skip
LEVELS = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12))


def message(path: Path, text: str | bytes) -> str | None:
    """What is said of the file; None if it is a configuration."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    try:
        load_config(path)
    except ConfigError as error:
        return str(error)
    return None


def test_the_good_one_is_good(tmp_path: Path) -> None:
    assert message(tmp_path / "sources.yaml", GOOD) is None


@FUZZ
@given(content=spoiled_bytes(GOOD.encode()))
def test_spoiled_bytes_give_a_configuration_or_a_message(content: bytes, tmp_path: Path) -> None:
    said = message(tmp_path / "sources.yaml", content)
    assert said is None or "sources.yaml" in said


@FUZZ
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(TOKENS) - 1), st.sampled_from(STRANGE + RUBBISH[:-3])), min_size=1, max_size=3
    )
)
def test_strange_words_give_a_configuration_or_a_message(changes: list[tuple[int, str]], tmp_path: Path) -> None:
    tokens = list(TOKENS)
    for at, word in changes:
        tokens[at] = word
    said = message(tmp_path / "sources.yaml", "".join(tokens).encode("utf-8", "replace"))
    assert said is None or "sources.yaml" in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        ("# nothing", "empty"),
        ("- a\n- b", "a mapping"),
        ("a: \x00", "not valid YAML"),
        ("market: !!python/object/apply:os.system ['touch pwned']", "could not determine a constructor"),
        ("market: !!python/name:os.system", "could not determine a constructor"),
        ("market: {history_start: 2024-13-45}", "month must be in"),
        ("market: " + "9" * 5000, "not valid YAML"),
        ("a: " + "[" * 1500 + "]" * 1500, "nested too deeply"),
        ("market: &a [*a]", "within what it stands for"),
        ("market: &a {x: *a}", "within what it stands for"),
        ("a0: &a0 [1, 1]\n" + LEVELS + "\nsources: *a11", "written out"),
        ("market: {}\nforecast: {}\nmarket: {}", ":3: market stands twice"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_what_is_wrong_is_said(text: str | bytes, expected: str, tmp_path: Path) -> None:
    said = message(tmp_path / "sources.yaml", text)
    assert said is not None
    assert expected in said
    assert len(said) < 1000
    assert not list(tmp_path.glob("pwned"))


def test_a_sources_yaml_of_many_megabytes_is_none(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.touch()
    os.truncate(path, 21_000_000)
    with pytest.raises(ConfigError, match="more than 20 MB"):
        load_config(path)


def test_a_folder_is_no_sources_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


def test_faults_without_end_are_cut_short(tmp_path: Path) -> None:
    sources = "".join(f"  - {{name: UPPER{n}, type: simulation}}\n" for n in range(200))
    said = message(tmp_path / "sources.yaml", "sources:\n" + sources)
    assert said is not None
    assert len(said.splitlines()) == 51
    assert "150 more faults" in said


def test_anchors_and_merged_mappings_are_fine(tmp_path: Path) -> None:
    text = """
sources:
  - &fleet {name: one, type: simulation, seed: 1}
  - {<<: *fleet, name: two}
"""
    assert message(tmp_path / "sources.yaml", text) is None


def test_the_shipped_ones_are_read() -> None:
    shipped = [PROJECT_ROOT / "warehouse" / "sources.yaml", *(PROJECT_ROOT / "docs" / "examples").rglob("sources.yaml")]
    assert len(shipped) > 1
    assert all(load_config(path).sources for path in shipped)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("delimiter: 'é'", "delimiter"),
        ("delimiter: '\"'", "delimiter"),
        ("datetime_format: '%H'", "no format of times"),
        ("publication_lag_minutes: 99999999999999999999", "publication_lag_minutes"),
        ("known_from: 9999-12-31T23:59:59-12:00", "a year from 1900"),
        ("timezone: Factory", "no IANA time zone"),
        ("scale: .inf", "finite"),
        ("capacity_kw: .nan", "capacity_kw"),
        ("name: 'x; DROP TABLE'", "name"),
    ],
)
def test_values_that_no_reader_could_work_with_are_refused(field: str, expected: str, tmp_path: Path) -> None:
    name = "" if field.startswith("name") else "    name: a\n"
    text = f"sources:\n  - type: meter_files\n{name}    path: a.csv\n    meter_id: m\n    {field}\n"
    said = message(tmp_path / "sources.yaml", text + "    columns: {timestamp: t, value: v}\n")
    assert said is not None
    assert expected in said
