"""The effect of feedback: what is compared, and how it is told. The measurement as a whole is in tests/pipeline."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from energy_assets.config import WarehouseConfig
from energy_assets.feedback_effect import Effect, EffectError, _window
from energy_assets.monitoring.feedback.comparison import Arm, compared
from energy_assets.reports.feedback import summary, tables, write_page
from energy_assets.settings import Settings
from tests.unit.feedback.world import HOUR, NOW, START

HOURS = [START + number * HOUR for number in range(4)]
CONFIG = WarehouseConfig.model_validate({"sources": [{"name": "fleet", "type": "simulation"}]})


def arm(demand: dict[int, float], forecast: float) -> Arm:
    """A world in which these hours have that demand, and every hour was forecast as `forecast`, give or take one."""
    quantiles = [(0.1, forecast - 1.0), (0.5, forecast), (0.9, forecast + 1.0)]
    rows = [
        {"meter_id": "home", "kind": "household", "issued_at_utc": START, "interval_start_utc": hour, "quantile": q,
         "demand_kwh": kwh}
        for hour in HOURS for q, kwh in quantiles
    ]  # fmt: skip
    known = pl.DataFrame(
        {"meter_id": "home", "interval_start_utc": [HOURS[h] for h in demand], "demand_kwh": list(demand.values())},
        schema={"meter_id": pl.String, "interval_start_utc": pl.Datetime("us", "UTC"), "demand_kwh": pl.Float64},
    )
    return Arm(pl.DataFrame(rows), known, pl.DataFrame())


def scores() -> pl.DataFrame:
    without = arm({0: 10.0, 1: 10.0, 2: 999.0, 3: 10.0}, 14.0)
    with_ = arm({0: 10.0, 1: 10.0, 3: 12.0}, 10.5)
    return compared(without, with_, pl.Series(["home"]))


def test_only_hours_that_both_worlds_agree_on_are_scored() -> None:
    found = scores()
    assert found.select("scope", "name", "hours").rows() == [("kind", "household", 2), ("meter", "home", 2)]
    kind = found.row(0, named=True)
    assert (kind["wape_without"], kind["wape_with"]) == (pytest.approx(0.4), pytest.approx(0.05))
    assert (kind["coverage_80_without"], kind["coverage_80_with"]) == (0.0, 1.0)
    assert kind["pinball_with"] < kind["pinball_without"]


def test_a_window_of_which_nothing_has_come_true_has_no_scores() -> None:
    assert compared(arm({}, 1.0), arm({}, 1.0), pl.Series(["home"])).is_empty()


def test_meters_that_nobody_spoke_of_are_counted_with_their_kind_only() -> None:
    world = arm({0: 10.0}, 10.0)
    assert compared(world, world, pl.Series(["other"]))["scope"].to_list() == ["kind"]


def test_the_window_begins_after_the_first_statement() -> None:
    newest = date(2026, 3, 20)
    assert (_window(CONFIG, NOW, newest, None, None).first, _window(CONFIG, NOW, newest, None, None).last) == (
        date(2026, 3, 11), newest,
    )  # fmt: skip
    asked = _window(CONFIG, NOW, newest, date(2026, 3, 1), date(2026, 3, 10))
    assert (asked.first, asked.last) == (date(2026, 2, 28), date(2026, 3, 9))
    assert _window(CONFIG, NOW, date(2027, 3, 1), None, None).first == date(2026, 8, 31)
    for until, start, end, message in (
        (date(2026, 3, 10), None, None, "come back when there are some"),
        (newest, None, date(2026, 4, 1), "at most 182 days until 2026-03-21 is expected"),
        (newest, date(2025, 3, 1), None, "at most 182 days"),
    ):
        with pytest.raises(EffectError, match=message):
            _window(CONFIG, NOW, until, start, end)


def test_the_page_tells_what_was_measured(tmp_path: Path) -> None:
    said = pl.DataFrame(
        {"feedback_id": ["a", "b"], "meter_id": "home", "kind": "household", "verdict": ["correct", "incorrect"],
         "known_at_utc": [NOW, NOW + HOUR]}
    )  # fmt: skip
    hours = pl.DataFrame({"meter_id": ["home"], "left_out": [1], "brought_back": [0], "corrected": [1]})
    alarms = pl.DataFrame(
        {"kind": ["dip", "spike"], "without": [3, 4], "with": [1, 4], "false_without": [2, 0], "false_with": [0, 0]}
    )
    faults = pl.DataFrame({"kind": ["spike"], "faults": [5], "found_without": [4], "found_with": [3]})
    effect = Effect(date(2026, 3, 11), date(2026, 3, 20), said, hours, scores(), alarms, faults)
    assert summary(effect) == (
        "2 statements about anomalies of 1 meter (1 confirmed, 1 rejected), the last at 2026-03-10 13:00 UTC. "
        "Forecasts of 2026-03-11 to 2026-03-20."
    )
    shown = tables(effect)
    assert shown["Alarms of the window"].row(-1) == ("all", 7, 5, 2, 0)
    assert shown["Forecasts per kind of meter"].row(0)[:4] == ("household", 2, 40.0, 5.0)
    assert shown["Faults of the simulation"].row(0) == ("spike", 5, 4, 3)
    page = write_page(Settings(warehouse=tmp_path), effect)
    assert page == tmp_path / "reports" / "feedback" / "2026-03-11_2026-03-20.html"
    text = page.read_text()
    assert "1 confirmed, 1 rejected" in text
    assert "<td>household</td><td>2</td><td>40.0</td><td>5.0</td>" in text
    assert [f.name for f in page.parent.iterdir()] == [page.name]
