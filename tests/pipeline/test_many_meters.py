"""A kind of more meters than are told apart: load profiles from readings to forecasts, and the same again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from energy_assets.defs.forecasting.profiles import missing_profiles
from energy_assets.defs.issues import Issues
from energy_assets.forecasting.features import FEW_METERS
from energy_assets.forecasting.profiles import block_end, last_block
from energy_assets.rebuilding import rebuild
from energy_assets.settings import Settings
from tests.warehouses import DAY, ISSUE_DATE, ISSUED_AT, NOW, Folder

HOMES = FEW_METERS + 2
MANY: dict[str, Any] = {
    "market": {"timezone": "Europe/Paris", "country": "FR"},
    "forecast": {
        "issue_hour": 9, "training_days": 60, "training_meter_days": 1000, "promotion": {"weeks": 2},
        "evaluation_weeks": 1, "evaluation_meters": 5,
    },
    "sources": [
        {
            "name": "fleet", "type": "simulation", "seed": 1, "history_days": 100, "telemetry_days": 2,
            "households": HOMES, "industrial_sites": 1, "machines_per_site": 1, "buildings": 1, "zones": 1,
            "locations": 1,
        }
    ],
}  # fmt: skip
PROFILES = "SELECT meter_id, known_from_utc, count(*) FROM forecasts.demand_profiles GROUP BY ALL ORDER BY ALL"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A warehouse that a run has made. Read it, or copy it."""
    folder = Folder.make(tmp_path_factory.mktemp("many") / "warehouse", MANY)
    folder.run()
    return folder


def test_each_home_has_a_profile_of_each_block_with_four_weeks_of_features_and_no_other_meter_has(many: Folder) -> None:
    blocks = range(last_block(ISSUED_AT - 60 * DAY) + 2, last_block(ISSUED_AT) + 1)
    assert blocks
    homes = {str(m) for (m,) in many.rows("SELECT meter_id FROM raw.meters WHERE kind = 'household'")}
    assert len(homes) == HOMES
    assert many.rows(PROFILES) == [(m, block_end(b), 24) for m in sorted(homes) for b in blocks]


def test_models_of_many_meters_know_the_profiles_and_those_of_few_do_not(many: Folder) -> None:
    found = dict(many.rows("SELECT kind, features FROM forecasts.model_versions"))
    knowing = {kind for kind, features in found.items() if "demand_profile_log_ratio" in json.loads(str(features))}
    assert knowing == {"household"}
    [(primary,)] = many.rows(
        "SELECT count(DISTINCT meter_id) FROM forecasts.demand_forecasts JOIN raw.meters USING (meter_id) "
        "WHERE kind = 'household' AND quality = 'primary' AND issued_at_utc = $at",
        at=ISSUED_AT,
    )
    assert primary == HOMES


def test_features_of_older_days_are_those_of_meters_judged_or_learned_from(many: Folder) -> None:
    [(all_meters, judged, thinned)] = many.rows(
        """WITH days AS (
            SELECT date_diff('day', issued_at_utc, $at::TIMESTAMPTZ) AS age, count(DISTINCT meter_id) AS homes
            FROM features.feat_demand_day_ahead WHERE kind = 'household' GROUP BY issued_at_utc
        )
        SELECT min(homes) FILTER (age < 20), min(homes) FILTER (age BETWEEN 21 AND 33), avg(homes) FILTER (age > 35)
        FROM days""",
        at=ISSUED_AT,
    )
    assert all_meters == HOMES
    assert 5 <= int(str(judged)) < HOMES
    assert float(str(thinned)) == pytest.approx(HOMES / 2, rel=0.2)  # of 32 homes and 60 days half are 1,000 and less


def test_what_was_said_is_said_again_to_the_bit_and_no_profile_is_missing(many: Folder) -> None:
    with many.environment():
        verdicts = rebuild(Settings(), ISSUE_DATE, None)
    assert all(verdict.equal for verdict in verdicts), verdicts
    with many.warehouse.connect(read_only=True) as con:
        assert missing_profiles(con, Issues(ISSUE_DATE, ISSUE_DATE, 9, "Europe/Paris"), 60) == {}


def test_a_second_run_changes_nothing(many: Folder) -> None:
    before = many.content("forecasts")
    many.run(now=NOW)
    assert many.content("forecasts") == before
