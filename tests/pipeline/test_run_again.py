"""Runs that have nothing new to do, and a day that follows a day."""

from __future__ import annotations

from tests.conftest import Built
from tests.warehouses import DAY, ISSUED_AT, Folder, differences

BY_ISSUE = """
SELECT issued_at_utc, count(*), sum(hash(meter_id, model_version, interval_start_utc, quantile, demand_kwh))
FROM forecasts.demand_forecasts GROUP BY 1 ORDER BY 1"""


def test_running_again_with_nothing_new_changes_no_content(copied: Folder) -> None:
    before, publication = copied.content(), copied.publication
    said = copied.run()
    assert said.count("\n  + ") > 8  # the steps did run
    assert differences(before, copied.content()) == {}
    assert copied.publication == publication


def test_a_day_later_the_past_stands_and_the_new_day_is_forecast(built: Built, next_day: Built) -> None:
    before, after = built.folder.rows(BY_ISSUE), next_day.folder.rows(BY_ISSUE)
    assert [issued for issued, *_ in after] == [ISSUED_AT, ISSUED_AT + DAY]
    assert after[0] == before[0]
    assert next_day.folder.publication != built.folder.publication
