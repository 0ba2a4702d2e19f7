"""Loads whose time of use may be moved, from files."""

from __future__ import annotations

from pathlib import Path

from tests.unit.sources.reading import read_text, reasons

HEADER = "shiftable_load_id,meter_id,power_kw,duration_minutes,earliest_local,latest_local,usual_start_local"


def test_runs_and_their_defaults(tmp_path: Path) -> None:
    text = f"{HEADER}\nkiln,works,40,240,05:00,22:00,13:00\n"
    (row,) = read_text(tmp_path, text, type="shiftable_load_files").tables["raw.shiftable_loads"].to_dicts()
    assert (row["name"], row["energy_kwh"], row["minimum_on_minutes"], row["interruptible"]) == (
        "kiln",
        160,
        240,
        False,
    )
    assert (row["calendar"], row["rebound_share"], row["maximum_shift_minutes"]) == ("all", 0, None)
    assert row["capacity_kwh"] is row["efficiency"] is None


def test_a_row_with_a_capacity_is_a_battery(tmp_path: Path) -> None:
    text = "shiftable_load_id,meter_id,power_kw,capacity_kwh,efficiency\nbattery,home,2.5,6,\nother,home,2,5,0.8\n"
    rows = read_text(tmp_path, text, type="shiftable_load_files").tables["raw.shiftable_loads"].to_dicts()
    assert [(r["capacity_kwh"], r["efficiency"], r["maximum_charge_share"]) for r in rows] == [
        (6, 0.9, 0.9),
        (5, 0.8, 0.9),
    ]
    assert [(r["energy_kwh"], r["earliest_local"], r["latest_local"]) for r in rows] == [(None, "00:00", "24:00")] * 2


def test_loads_that_could_not_run(tmp_path: Path) -> None:
    rows = (
        "good,works,40,240,05:00,22:00,13:00,true,60,workdays",
        ",works,40,240,05:00,22:00,13:00,,,",  # no id
        "a,works,0,240,05:00,22:00,13:00,,,",  # no power
        "b,works,much,240,05:00,22:00,13:00,,,",
        "c,works,40,240,22:00,05:00,23:00,,,",  # over midnight
        "d,works,40,,05:00,22:00,13:00,,,",  # no duration
        "e,works,40,300,05:00,08:00,05:00,,,",  # longer than its window
        "f,works,40,240,05:00,22:00,,,,",  # nobody knows when it runs
        "g,works,40,240,05:00,22:00,20:00,,,",  # usually outside its window
        "h,works,40,240,05:00,22:00,13:00,true,300,",  # longer on than it runs
        "i,works,40,240,05:00,22:00,13:00,maybe,,",
        "j,works,40,240,05:00,22:00,13:00,,,sundays",
        "good,works,41,240,05:00,22:00,13:00,true,60,workdays",
    )
    text = HEADER + ",interruptible,minimum_on_minutes,calendar\n" + "\n".join(rows) + "\n"
    batch = read_text(tmp_path, text, type="shiftable_load_files")
    assert batch.tables["raw.shiftable_loads"]["shiftable_load_id"].to_list() == ["good"]
    assert reasons(batch) == [
        (2, "no_meter"),
        (3, "bad_value"),
        (4, "not_a_number"),
        *((row, "bad_value") for row in range(5, 13)),
        (13, "duplicate_disagrees"),
    ]
