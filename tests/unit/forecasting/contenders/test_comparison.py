"""The table that compares models, and the page that it stands on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from energy_assets.forecasting.contenders import CONTENDERS, EXTRAS
from tests.bench.models import PAGE, accuracy, one, put, table
from tests.unit.forecasting.frames import INSTANT
from tests.unit.forecasting.shared import AS_OF, zone_frame

NAMES = ["seasonal_naive", "calendar_temperature"]


def test_models_are_compared_on_the_hours_that_all_have(tmp_path: Path) -> None:
    zone_frame().write_parquet(tmp_path / "features.parquet")
    hours = zone_frame().select("meter_id", "interval_start_utc", pl.col("demand_kwh").alias("energy_kwh"))
    said = hours.with_columns(publisher=pl.lit("TSO"), known_at_utc=pl.lit(AS_OF).cast(INSTANT))
    said.filter(pl.col("interval_start_utc").dt.hour() != 12).write_parquet(tmp_path / "published.parquet")
    for name in NAMES:
        one(name, tmp_path, AS_OF, AS_OF + timedelta(days=6), 8)
    errors = accuracy(tmp_path, NAMES).sort("model_name")
    assert errors["model_name"].to_list() == ["calendar_temperature", "publisher", "seasonal_naive"]
    assert errors["hours"].to_list() == [2 * 7 * 23] * 3
    assert errors.filter(pl.col("model_name") == "publisher")["wape"].item() == 0
    costs = {name: {"fit_s": 0.04, "score_s": 0.123, "peak_mb": 251.4} for name in NAMES}
    lines = table(errors.with_columns(pinball=pl.lit(None, dtype=pl.Float64)), costs).splitlines()
    assert lines[0] == "| model | zone, WAPE % | mae kWh | pinball kWh | fit CPU s | score CPU s | memory MB |"
    assert lines[2] == "| publisher | 0.00 | 0.00 |  |  |  |  |"
    assert lines[3].startswith("| calendar_temperature |")
    assert lines[4].endswith("|  | 0.04 | 0.12 | 251 |")
    two = pl.concat([errors, errors.with_columns(pl.lit("home").alias("kind"), pl.col("wape") * 2)])
    lines = table(two, costs).splitlines()
    assert lines[0] == "| model | home, WAPE % | zone, WAPE % | fit CPU s | score CPU s | memory MB |"
    naive = 100 * errors.filter(pl.col("model_name") == "seasonal_naive")["wape"].item()
    assert f"| seasonal_naive | {2 * naive:.2f} | {naive:.2f} | 0.04 | 0.12 | 251 |" in lines


def test_a_table_replaces_the_one_between_its_markers() -> None:
    page = "a\n<!-- compared: x -->\nold\n<!-- /compared -->\nb\n<!-- compared: y -->\nkept\n<!-- /compared -->\n"
    assert put(page, "x", "new") == page.replace("old", "new")
    assert put(put(page, "x", "new"), "x", "old") == page
    with pytest.raises(ValueError, match="has no lines <!-- compared: z --> and"):
        put(page, "z", "new")


def test_the_page_tells_of_every_model_and_extra() -> None:
    text = PAGE.read_text()
    assert [name for name in CONTENDERS if f"| `{name}` |" not in text] == []
    assert [extra for extra in EXTRAS.values() if f"`{extra}`" not in text] == []
    for name in ("france", "simulated"):
        assert put(text, name, "new") != text
