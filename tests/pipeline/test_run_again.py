"""A day that follows a day. That a run with nothing new changes nothing is seen of the second of two writers."""

from __future__ import annotations

from tests.conftest import Built
from tests.warehouses import DAY, ISSUED_AT

BY_ISSUE = """
SELECT issued_at_utc, count(*), sum(hash(meter_id, model_version, interval_start_utc, quantile, demand_kwh))
FROM forecasts.demand_forecasts GROUP BY 1 ORDER BY 1"""


def test_a_day_later_the_past_stands_and_the_new_day_is_forecast(built: Built, next_day: Built) -> None:
    before, after = built.folder.rows(BY_ISSUE), next_day.folder.rows(BY_ISSUE)
    assert [issued for issued, *_ in after] == [ISSUED_AT, ISSUED_AT + DAY]
    assert after[0] == before[0]
    assert next_day.folder.publication != built.folder.publication
