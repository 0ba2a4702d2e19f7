"""Clocks: of the machine, put back between runs; of the market, on the nights of 23 and of 25 hours."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.conftest import Built
from tests.warehouses import DAY, NOW, Folder, differences

SOAK = int(os.environ.get("ENERGY_SOAK_KILLS", "3")) > 3
pytestmark = pytest.mark.skipif(not SOAK, reason="takes minutes: part of `make soak`")


def test_a_run_under_a_clock_that_was_put_back_changes_nothing_of_what_was_said(
    next_day: Built, tmp_path: Path
) -> None:
    folder = next_day.folder.copy_to(tmp_path / "warehouse")
    folder.run(now=NOW)
    assert differences(next_day.folder.content("raw", "forecasts"), folder.content("raw", "forecasts")) == {}
    folder.run(now=NOW + DAY)
    assert differences(next_day.folder.content(), folder.content()) == {}


@pytest.mark.parametrize(
    ("now", "day", "hours"),
    [
        (datetime(2026, 3, 28, 12, tzinfo=UTC), date(2026, 3, 29), 23),
        (datetime(2026, 10, 24, 12, tzinfo=UTC), date(2026, 10, 25), 25),
    ],
)
def test_a_day_on_which_the_clock_changes_is_forecast_hour_by_hour(
    tmp_path: Path, now: datetime, day: date, hours: int
) -> None:
    folder = Folder.make(tmp_path / "warehouse")
    folder.run(now=now)
    issued = folder.rows(
        """SELECT count(DISTINCT interval_start_utc) FROM forecasts.demand_forecasts JOIN raw.meters m USING (meter_id)
        WHERE m.kind <> 'machine' AND issued_at_utc::DATE = $day GROUP BY meter_id""",
        day=now.date(),
    )
    shown = folder.rows(
        "SELECT count(DISTINCT interval_start_utc) FROM reporting.next_day_demand WHERE local_date = $day "
        "GROUP BY meter_id",
        day=day,
    )
    assert issued == shown == [(hours,)] * 6
