"""Past days replayed as if they were today: by a whole run, and as a range.

The whole run happens on a warehouse that has learned wild things since (the poison of `test_poisoning`), the range on
one that has not: the forecasts are the same.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg

from energy_assets.definitions import definitions
from energy_assets.defs.issues import PARTITION, RANGE_END, RANGE_START
from energy_assets.rebuilding import rebuild
from energy_assets.schedule import issue_time
from energy_assets.settings import Settings
from tests.conftest import Built
from tests.pipeline.test_poisoning import poison
from tests.warehouses import ISSUE_DATE, Folder, differences

FIRST, SECOND = ISSUE_DATE - timedelta(days=4), ISSUE_DATE - timedelta(days=3)
FORECASTS = """
SELECT meter_id, issued_at_utc, model_version, interval_start_utc, quantile, revision, demand_kwh, quality
FROM forecasts.demand_forecasts WHERE issued_at_utc BETWEEN $first AND $last ORDER BY ALL"""
TRAINED = """SELECT DISTINCT trained_at_utc FROM forecasts.demand_forecasts JOIN forecasts.model_versions
USING (model_version) WHERE issued_at_utc = $at ORDER BY ALL"""


def issued(day: date) -> datetime:
    """The issue time of a day."""
    return issue_time(day, 9, "Europe/Paris")


def forecasts(folder: Folder, first: date, last: date) -> list[tuple[object, ...]]:
    """The forecasts of the days from `first` to `last`."""
    return folder.rows(FORECASTS, first=issued(first), last=issued(last))


def forecast(folder: Folder, *more: str, **tags: str) -> dg.ExecuteInProcessResult:
    """Models, forecasts and `more` assets: the features of past days are there, dbt need not make them again."""
    names = ("forecasts/model_versions", "forecasts/model_decisions", "models/artefacts", "forecasts/demand_forecasts")
    with folder.environment(), dg.DagsterInstance.get() as instance:
        job = definitions().get_repository_def().get_job("build")
        result = job.execute_in_process(
            instance=instance, tags=tags, asset_selection=[dg.AssetKey(n.split("/")) for n in (*names, *more)],
            run_config={"loggers": {"console": {}}},
        )  # fmt: skip
    assert result.success
    return result


def test_a_replayed_day_is_forecast_by_a_model_of_its_time_whatever_became_known_since(
    built: Built, copied: Folder
) -> None:
    newest = forecasts(built.folder, ISSUE_DATE, ISSUE_DATE)
    champions = copied.rows("SELECT model_version FROM forecasts.model_versions WHERE role = 'champion' ORDER BY 1")
    poison(copied)
    copied.run("--issue-date", FIRST.isoformat())

    assert differences(built.folder.content("features"), copied.content("features")) == {}
    with copied.environment():
        again = rebuild(Settings(), ISSUE_DATE)
    assert [v for v in again if not v.equal] == []
    assert sum(v.rows for v in again) == len(newest)
    forecast(copied, **{PARTITION: ISSUE_DATE.isoformat()})  # again, with what is known now
    assert forecasts(copied, ISSUE_DATE, ISSUE_DATE) == newest
    assert copied.rows(TRAINED, at=issued(FIRST)) == [(issued(FIRST),)]  # none was promoted before: trained as of it
    still = copied.rows("SELECT model_version FROM forecasts.model_versions WHERE role = 'champion' ORDER BY 1")
    assert still == champions

    # A day later the replayed day's model is the one that was promoted before.
    forecast(copied, **{PARTITION: SECOND.isoformat()})
    assert copied.rows(TRAINED, at=issued(SECOND)) == [(issued(FIRST),)]
    [(cutoff,)] = copied.rows(
        "SELECT max(data_cutoff_utc) FROM forecasts.demand_forecasts WHERE issued_at_utc = $at", at=issued(SECOND)
    )
    assert isinstance(cutoff, datetime)
    assert cutoff <= issued(SECOND)

    # Both days as one range, elsewhere, are the same forecasts.
    ranged = built.folder.copy_to(copied.path.with_name("ranged"))
    forecast(ranged, **{RANGE_START: FIRST.isoformat(), RANGE_END: SECOND.isoformat()})
    assert forecasts(ranged, FIRST, SECOND) == forecasts(copied, FIRST, SECOND)
    assert forecasts(ranged, FIRST, SECOND)
    assert forecasts(ranged, ISSUE_DATE, ISSUE_DATE) == newest


def test_an_issue_day_whose_features_were_never_made_is_named(copied: Folder) -> None:
    before = copied.content("forecasts")
    result = forecast(copied, **{PARTITION: "2025-06-01"})
    [check] = [c for c in result.get_asset_check_evaluations() if c.check_name == "every_meter_has_one"]
    assert not check.passed
    assert check.metadata["issue_days_without_any"].value == "2025-06-01"
    assert differences(before, copied.content("forecasts")) == {}


def test_an_issue_date_out_of_range_is_refused_before_anything_runs(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path / "warehouse")
    for wrong in (["--issue-date", "2026-03-11"], ["--issue-date", "2026-03-05", "--until", "2026-03-04"]):
        said = folder.refused(*wrong)
        assert "they must lie between 2015-01-01 (market.history_start) and 2026-03-10" in said
    assert not (folder.path / "energy.duckdb").exists()
