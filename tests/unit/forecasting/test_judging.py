"""What the gate is asked: stand-ins of a challenger, a look back at a promotion, champions watched day by day."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import duckdb
import polars as pl
import pytest

from energy_assets.config import Forecast, Market, Promotion, Simulation, WarehouseConfig
from energy_assets.contracts import TABLES
from energy_assets.defs.forecasting.judging import Watch, challenge, demotion, recent_bands
from energy_assets.defs.forecasting.registry import Standing, champion, record
from energy_assets.forecasting import TrainedModel, gate, save, train, version_row
from energy_assets.warehouse import ensure_tables
from tests.unit.forecasting.frames import DAY, START, demand, features
from tests.unit.forecasting.shared import AS_OF, QUICK, zone_frame, zone_model

RULE = Promotion()
AT = AS_OF + 25 * DAY
NAME = "demand_blend_zone"
CONFIG = WarehouseConfig(
    market=Market(timezone="UTC"),
    forecast=Forecast(issue_hour=9, training_days=120),
    sources=[Simulation(name="s", type="simulation")],
)


@cache
def plain() -> TrainedModel:
    """`zone_model` without regressions that learn on: what it says of many days costs little."""
    return replace(zone_model(), follows=False)


@cache
def worse() -> TrainedModel:
    """Trained ten days earlier from mislabelled days, by another recipe, and deaf to what comes true since."""
    wrong = zone_frame().with_columns(pl.col("demand_kwh") * (1 + 0.3 * (pl.col("local_hour") > 12)))
    model = train(wrong, kind="zone", as_of=AS_OF - 10 * DAY, params=replace(QUICK, trees=12))
    return replace(model, version="worse", follows=False)


def standing(model: TrainedModel, *, withheld: bool = False, since: datetime | None = None) -> Standing:
    return Standing(model, model.as_of_utc, "promoted", since or model.as_of_utc, "before", withheld)


def known(at: datetime = AT) -> pl.DataFrame:
    """The rows of issue times before an instant with the demand known by then."""
    return zone_frame().filter(pl.col("issued_at_utc") < at).with_columns(
        demand_kwh=pl.when(pl.col("label_known_at_utc") <= at).then("demand_kwh")
    )  # fmt: skip


def trained(asked: list[datetime]) -> Callable[[datetime], TrainedModel]:
    """The recipe; notes as of when it was asked for."""

    def made(as_of: datetime) -> TrainedModel:
        asked.append(as_of)
        return replace(plain(), version="stand-in", as_of_utc=as_of)

    return made


def judged(
    stands: Standing, before: list[TrainedModel], rule: Promotion = RULE
) -> tuple[dict[str, object], list[datetime]]:
    """The decision on a challenger like `plain`, and as of when its recipe had to be trained."""
    asked: list[datetime] = []
    candidate = replace(plain(), version="candidate", as_of_utc=AT)
    row = challenge(candidate, stands, known(), before, trained(asked), rule, at=AT).row(0, named=True)
    return row, asked


def test_where_there_were_no_challengers_the_recipe_is_trained_for_the_judging() -> None:
    row, asked = judged(standing(worse()), [])
    assert asked == [AT - timedelta(weeks=4)]
    assert (row["decision"], row["to_version"], row["candidate_version"]) == ("promoted", "candidate", "candidate")
    assert json.loads(row["figures"])["days"] == 27  # the last two days are not over
    _, asked = judged(standing(replace(worse(), as_of_utc=AT - 14 * DAY)), [])
    assert asked == [AT - 14 * DAY]  # since the champion's training end, no earlier


def test_challengers_of_the_weeks_before_stand_for_the_recipe() -> None:
    earlier = replace(plain(), as_of_utc=AT - 29 * DAY)
    later = replace(plain(), version="later", as_of_utc=AT - 10 * DAY)
    old = standing(replace(worse(), as_of_utc=AT - 40 * DAY))
    assert judged(old, [earlier, later])[1] == []
    assert judged(old, [later])[1] == [AT - timedelta(weeks=4)]  # none spoke yet when the days begin
    other_recipe = replace(earlier, params=replace(QUICK, trees=99))
    assert judged(old, [other_recipe])[1] == [AT - timedelta(weeks=4)]


def test_the_recipe_as_of_the_champion_s_training_is_the_champion() -> None:
    young = standing(replace(plain(), as_of_utc=AT - 14 * DAY))
    row, asked = judged(young, [])
    assert asked == []
    assert (row["decision"], json.loads(str(row["figures"]))["days"]) == ("kept", 0)
    week = replace(plain(), version="week", as_of_utc=AT - 12 * DAY)
    row, asked = judged(young, [week])
    assert asked == []
    assert json.loads(str(row["figures"]))["days"] == 11


def test_while_the_champion_is_withheld_a_challenger_is_held_against_the_naive_forecast() -> None:
    stands = standing(replace(plain(), version="w", as_of_utc=AT - 7 * DAY), withheld=True)
    row, asked = judged(stands, [])
    assert asked == [AT - timedelta(weeks=4)]
    assert row["decision"] == "promoted"
    assert "of the naive forecast" in str(row["reason"])


def test_a_predecessor_is_put_back_by_the_days_since_the_promotion() -> None:
    poor = standing(replace(worse(), as_of_utc=AS_OF), since=AS_OF)
    back = demotion(poor, replace(plain(), as_of_utc=AS_OF - DAY), known(), RULE, at=AT)
    assert back is not None
    row = back.row(0, named=True)
    assert (row["decision"], row["from_version"], row["to_version"]) == ("demoted", "worse", plain().version)
    assert json.loads(row["figures"])["days"] == 24
    assert demotion(standing(plain()), replace(worse(), as_of_utc=AS_OF - DAY), known(), RULE, at=AT) is None
    soon = AS_OF + 5 * DAY
    assert demotion(poor, plain(), known(soon), RULE, at=soon) is None


def warehouse(folder: Path, rows: pl.DataFrame) -> duckdb.DuckDBPyConnection:
    """Features and demand of `rows`, and `plain` as the champion."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    ensure_tables(con, [t for name, t in TABLES.items() if name.startswith("forecasts.")])
    con.register("rows", rows.with_columns(load_id=pl.lit(1)).to_arrow())
    con.execute("CREATE SCHEMA features; CREATE SCHEMA intermediate")
    con.execute(
        "CREATE VIEW intermediate.int_training_turns AS "
        "SELECT DISTINCT meter_id, 0 AS turn, 1 AS step, true AS is_judged FROM rows"
    )
    con.execute(
        "CREATE TABLE features.feat_demand_day_ahead AS SELECT * EXCLUDE (demand_kwh, label_known_at_utc) FROM rows"
    )
    con.execute(
        """CREATE TABLE intermediate.int_demand_versions AS
        SELECT meter_id, interval_start_utc, local_date, demand_kwh, label_known_at_utc AS known_from_utc,
            NULL::TIMESTAMPTZ AS known_to_utc FROM rows"""
    )
    path, sha256 = save(plain(), folder / "models")
    row = version_row(
        plain(), role="champion", decision="first", decided_because="-",
        artefact=str(path.relative_to(folder)), sha256=sha256,
    )  # fmt: skip
    record(con, gate.first(NAME, plain().version, at=AS_OF), row.with_columns(dagster_run_id=pl.lit("run")))
    return con


@pytest.fixture
def con(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse in which nothing happens."""
    with warehouse(tmp_path, zone_frame()) as opened:
        yield opened


def issue(con: duckdb.DuckDBPyConnection, factor: float, first: datetime, last: datetime) -> None:
    """Forecasts of the champion that are wrong by a factor, as if they had been issued."""
    con.execute(
        """INSERT INTO forecasts.demand_forecasts BY NAME
        SELECT f.meter_id, f.issued_at_utc, ? AS model_version, f.interval_start_utc, f.interval_end_utc,
            0.5 AS quantile, 0 AS revision, f.lead_minutes, ? * v.demand_kwh AS demand_kwh, 'primary' AS quality,
            'run' AS dagster_run_id
        FROM features.feat_demand_day_ahead f
        JOIN intermediate.int_demand_versions v USING (meter_id, interval_start_utc)
        WHERE f.issued_at_utc BETWEEN ? AND ?""",
        [plain().version, factor, first, last],
    )


def test_a_champion_whose_issued_forecasts_are_worse_than_naive_is_withheld_and_restored(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    issue(con, 1.5, AS_OF, AS_OF + 11 * DAY)
    at = AS_OF + 12 * DAY
    soon = Watch(tmp_path, CONFIG, first=AS_OF + 5 * DAY, last=AS_OF + 5 * DAY)
    assert soon.withholding(con, "zone", AS_OF + 5 * DAY) is None  # too few days
    decision = Watch(tmp_path, CONFIG, first=at, last=at).withholding(con, "zone", at)
    assert decision is not None
    assert decision["decision"].to_list() == ["withheld"]
    record(con, decision)
    assert Watch(tmp_path, CONFIG, first=at, last=at).withholding(con, "zone", at) is None  # asked again

    # what is issued from then on is naive: its own words are made, and it earns its place back
    con.execute("UPDATE forecasts.demand_forecasts SET quality_reason = 'model_worse_than_naive', quality = 'fallback'")
    later = AS_OF + 20 * DAY
    back = Watch(tmp_path, CONFIG, first=later, last=later).withholding(con, "zone", later)
    assert back is not None
    assert back["decision"].to_list() == ["restored"]
    record(con, back)
    found = champion(con, tmp_path, NAME, later)
    assert found is not None
    assert not found.withheld


def test_a_good_champion_and_a_kind_without_one_raise_no_question(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    at = AS_OF + 20 * DAY
    watch = Watch(tmp_path, CONFIG, first=at, last=at)
    assert watch.withholding(con, "zone", at) is None
    assert watch.withholding(con, "household", at) is None
    assert recent_bands(con, tmp_path, CONFIG, ["household"], at).is_empty()


def test_a_range_is_watched_as_its_days_are(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    days = [AS_OF + n * DAY for n in (9, 10, 11)]
    rule = Forecast(issue_hour=9, promotion=Promotion(margin=0, significance=0.5))
    eager = CONFIG.model_copy(update={"forecast": rule})  # so eager that the naive forecast speaks at once

    con.execute("UPDATE features.feat_demand_day_ahead SET demand_lag_7d_kwh = v.demand_kwh FROM "
                "intermediate.int_demand_versions v WHERE v.meter_id = feat_demand_day_ahead.meter_id "
                "AND v.interval_start_utc = feat_demand_day_ahead.interval_start_utc")  # fmt: skip
    whole = Watch(tmp_path, eager, first=days[0], last=days[-1])
    ranged = [whole.withholding(con, "zone", at) for at in days]
    single = [Watch(tmp_path, eager, first=at, last=at).withholding(con, "zone", at) for at in days]
    for one, other in zip(ranged, single, strict=True):
        assert one is not None
        assert other is not None
        assert one.equals(other)


def test_demand_that_stays_as_it_was_is_within_the_bands_and_a_shifted_level_is_not(tmp_path: Path) -> None:
    at, since = AS_OF + 24 * DAY, START + 114 * DAY
    with warehouse(tmp_path, zone_frame()) as con:
        clean = recent_bands(con, tmp_path, CONFIG, ["zone"], at).row(0, named=True)
    assert (clean["meter_id"], clean["days"], clean["within"]) == ("all", 14, True)
    assert clean["model_version"] == plain().version
    assert clean["held_out_wape"] == plain().metrics["wape"]
    risen = demand(meters=2, days=130).with_columns(
        kwh=pl.col("kwh") * pl.when(pl.col("start") >= since).then(1.3).otherwise(1.0)
    )
    with warehouse(tmp_path, features(risen)) as con:
        shifted = recent_bands(con, tmp_path, CONFIG, ["zone"], at).row(0, named=True)
    assert shifted["within"] is False
    assert shifted["wape"] > 1.5 * clean["wape"]
