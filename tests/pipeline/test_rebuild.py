"""Any past forecast made again, bit by bit, from artefact and as-of features; and what tells that it cannot be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from energy_assets.cli import main
from energy_assets.defs.issues import PARTITION
from energy_assets.rebuilding import RebuildError, Verdict, rebuild
from energy_assets.settings import Settings
from tests.conftest import Built
from tests.pipeline.test_replay import forecast as issue
from tests.warehouses import ISSUE_DATE, ISSUED_AT, Folder

ONE_HOUR = """
WITH one AS (
    SELECT rowid FROM forecasts.demand_forecasts WHERE meter_id = $meter AND quantile = 0.5
    ORDER BY interval_start_utc LIMIT 1
)"""


def again(folder: Folder, meter_id: str | None = None) -> list[Verdict]:
    with folder.environment():
        return rebuild(Settings(), ISSUE_DATE, meter_id)


def call(folder: Folder, *arguments: str) -> Result:
    with folder.environment():
        return CliRunner().invoke(main, ["rebuild", "--warehouse", str(folder.path), *arguments])


@contextmanager
def untouched(folder: Folder) -> Iterator[None]:
    """No file but Dagster's is another one afterwards."""

    def state() -> dict[Path, str]:
        files = (p for p in folder.path.rglob("*") if p.is_file() and not p.is_symlink() and ".dagster" not in p.parts)
        return {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

    before = state()
    yield
    assert state() == before


def a_meter(folder: Folder, kind: str) -> str:
    [(meter,)] = folder.rows("SELECT min(meter_id) FROM raw.meters WHERE kind = $kind", kind=kind)
    return str(meter)


def test_every_forecast_is_made_again_and_nothing_is_written(built: Built) -> None:
    with untouched(built.folder):
        verdicts = again(built.folder)
    assert all(v.equal for v in verdicts), verdicts
    [(rows, versions, meters)] = built.folder.rows(
        "SELECT count(*), count(DISTINCT model_version), count(DISTINCT meter_id) FROM forecasts.demand_forecasts"
    )
    assert sum(v.rows for v in verdicts) == rows
    assert len({v.model_version for v in verdicts}) == versions
    assert sum(v.meters for v in verdicts) == meters
    assert {"household", "zone", "machine"} <= {v.kind for v in verdicts}


def test_what_came_in_since_does_not_change_what_was_said(next_day: Built) -> None:
    [(later,)] = next_day.folder.rows("SELECT count(*) FROM raw.meter_readings WHERE known_at_utc > $at", at=ISSUED_AT)
    assert later
    verdicts = again(next_day.folder)
    assert len(verdicts) > 3
    assert all(v.equal for v in verdicts), verdicts


def test_settings_that_were_changed_since_do_not_change_it(copied: Folder) -> None:
    settings = copied.path / "sources.yaml"
    settings.write_text(settings.read_text().replace("training_days: 60", "training_days: 30"))
    assert "training_days: 30" in settings.read_text()
    assert [v for v in again(copied) if not v.equal] == []


def test_one_meter_is_made_again_as_among_all(built: Built) -> None:
    meter = a_meter(built.folder, "household")
    [verdict] = again(built.folder, meter)
    assert (verdict.kind, verdict.meters, verdict.equal) == ("household", 1, True)
    said = call(built.folder, "--issue-date", ISSUE_DATE.isoformat(), "--meter", meter)
    assert said.exit_code == 0, said.output
    assert f"ok    {verdict.model_version} (household, meters: 1): {verdict.rows} rows equal bit by bit" in said.output


def test_a_changed_bit_is_found_and_named(copied: Folder) -> None:
    meter = a_meter(copied, "zone")
    with copied.warehouse.connect() as con:
        con.execute(
            ONE_HOUR + " UPDATE forecasts.demand_forecasts SET demand_kwh = nextafter(demand_kwh, 1e300) "
            "WHERE rowid IN (SELECT rowid FROM one)", {"meter": meter}
        )  # fmt: skip
    broken = {v.kind: v for v in again(copied) if not v.equal}
    assert list(broken) == ["zone"]
    assert broken["zone"].differing == 1
    said = call(copied, "--issue-date", ISSUE_DATE.isoformat())
    assert said.exit_code == 1
    assert "1 of " in said.output
    assert f"      first: {meter} 2026-03-10 23:00 UTC, quantile 0.5: demand_kwh " in said.output
    assert "      reason: the row was changed after it was written, or what counts as known" in said.output


def test_rows_that_are_gone_or_were_never_said_are_found(copied: Folder) -> None:
    meter, machine = a_meter(copied, "zone"), a_meter(copied, "machine")
    with copied.warehouse.connect() as con:
        con.execute(
            ONE_HOUR + " DELETE FROM forecasts.demand_forecasts WHERE rowid IN (SELECT rowid FROM one)",
            {"meter": meter},
        )
        con.execute(
            "UPDATE forecasts.demand_forecasts SET model_version = 'unheard of' WHERE meter_id = $meter",
            {"meter": machine},
        )
    broken = {v.kind: v for v in again(copied) if not v.equal}
    assert set(broken) == {"zone", "machine"}
    assert "made now and not said then" in str(broken["zone"].first_difference)
    assert "model_version 'unheard of' then, '" in str(broken["machine"].first_difference)


def test_a_model_that_is_withheld_leaves_its_place_to_the_naive_forecast_and_that_is_made_again(copied: Folder) -> None:
    with copied.warehouse.connect() as con:
        con.execute(
            """INSERT INTO forecasts.model_decisions SELECT * REPLACE ('withheld' AS decision,
                'seasonal_naive' AS candidate_version) FROM forecasts.model_decisions WHERE model_name LIKE '%zone'"""
        )
    result = issue(copied, **{PARTITION: ISSUE_DATE.isoformat()})
    checks = {c.check_name: c for c in result.get_asset_check_evaluations()}
    assert not checks["gate_decision"].passed
    assert "demand_blend_zone" in str(checks["gate_decision"].metadata["worrying"].value)
    assert checks["quantiles_do_not_cross"].passed
    said = copied.rows(
        """SELECT DISTINCT kind, quality, quality_reason, revision FROM forecasts.demand_forecasts
        JOIN forecasts.model_versions USING (model_version) WHERE revision = 1"""
    )
    assert said == [("zone", "fallback", "model_worse_than_naive", 1)]
    [(apart,)] = copied.rows(
        """SELECT max(abs(f.demand_kwh - x.demand_lag_7d_kwh)) FROM forecasts.demand_forecasts f
        JOIN features.feat_demand_day_ahead x USING (meter_id, issued_at_utc, interval_start_utc)
        WHERE f.revision = 1 AND f.quantile = 0.5 AND x.demand_lag_7d_kwh IS NOT NULL"""
    )
    [(mean,)] = copied.rows("SELECT avg(demand_kwh) FROM forecasts.demand_forecasts WHERE revision = 1")
    assert isinstance(apart, float)
    assert isinstance(mean, float)
    assert apart < 0.2 * mean  # the naive value, moved by the median of its errors in training
    verdicts = again(copied)
    assert all(v.equal for v in verdicts), verdicts


def test_an_artefact_that_was_changed_lost_or_is_not_recorded_is_named(copied: Folder) -> None:
    files = {p.parent.parent.name: p for p in (copied.path / "models").rglob("model.json")}
    changed, lost = files["demand_blend_zone"], files["demand_blend_household"]
    changed.write_bytes(changed.read_bytes() + b" ")
    lost.unlink()
    with copied.warehouse.connect() as con:
        con.execute("DELETE FROM forecasts.model_versions WHERE kind = 'building'")
    broken = {v.kind: str(v.reason) for v in again(copied) if not v.equal}
    assert set(broken) == {"zone", "household", "building"}
    assert "the file was changed after training" in broken["zone"]
    assert "no such model" in broken["household"]
    assert "forecasts.model_versions knows no model" in broken["building"]


def test_a_day_a_meter_or_a_warehouse_without_forecasts_is_an_error_that_says_what_there_is(
    built: Built, tmp_path: Path
) -> None:
    said = call(built.folder, "--issue-date", "2026-03-01")
    assert said.exit_code == 1
    assert "no forecast was issued at 2026-03-01 08:00 UTC; forecasts: they reach from 2026-03-10 08:00" in said.stderr
    with pytest.raises(RebuildError, match="no forecast of nobody was issued"):
        again(built.folder, "nobody")
    empty = call(Folder.make(tmp_path / "empty"), "--issue-date", "2026-03-01")
    assert empty.exit_code == 1
    assert "run `energy-assets run` first" in empty.stderr
