"""Whatever stands in a file: a reader gives rows, rejected rows or a SourceError, and loses none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.sources import SourceError
from tests.unit.sources.reading import read_text

CELLS = st.sampled_from(
    [
        *(
            "",
            "-",
            "?",
            "NaN",
            "inf",
            "-inf",
            "1",
            "-1",
            "1.5",
            "1e309",
            "1e15",
            "12abc",
            "1,5",
            '"',
            "'",
            " 2 ",
            "ä",
            "∞",
        ),
        *("2024-01-01", "2024-10-27 02:00", "2024-10-27 02:00", "2024-03-31 02:30", "2024-01-01 00:07", "2024-02-30"),
        *("2024-10-27 03:00", "9999-12-31 23:59", "0001-01-01", "2024-01-01T00:00Z", "24:00", "2024-01-01 24:00"),
        *("28.10.2018 02:00 - 28.10.2018 03:00", "28.10.2018 02:00 - 28.10.2018 02:15", " - ", "1/1/07", "13/1/2007"),
    ]
)
TABLES = st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=0, max_size=12)
ENTSOE = "Time (CET/CEST),Day-ahead Total Load Forecast [MW] - BZN|FR,Actual Total Load [MW] - BZN|FR"
READERS: dict[str, tuple[str, dict[str, Any]]] = {
    "long": (
        "a,b,c",
        {
            "type": "meter_files",
            "columns": {"timestamp": "a", "value": "b", "meter_id": "c"},
            "repair": ["midnight_belongs_to_next_day"],
        },
    ),
    "versions": (
        "a,b,c",
        {"type": "meter_files", "columns": {"timestamp": "a", "value": "b", "known_at": "c"}, "meter_id": "m"},
    ),
    "wide": ("a,b,c", {"type": "meter_files", "columns": {"timestamp": "a"}, "layout": "wide"}),
    "register": (
        "a,b,c",
        {
            "type": "meter_files",
            "columns": {"timestamp": "a", "value": "b", "meter_id": "c"},
            "values": "register",
            "rollover": 10,
        },
    ),
    "forecasts": (
        "a,b,c",
        {"type": "forecast_files", "columns": {"timestamp": "a"}, "layout": "wide", "publisher": "p"},
    ),
    "weather": (
        "a,b,c",
        {"type": "weather_files", "columns": {"timestamp": "a", "temperature_c": "b", "wind_speed_ms": "c"}},
    ),
    "open_meteo": ("time,temperature_2m,cloud_cover", {"type": "open_meteo"}),
    "telemetry": (
        "a,b,c",
        {"type": "telemetry_files", "columns": {"timestamp": "a", "power_w": "b", "machine_id": "c"}},
    ),
    "entsoe": (ENTSOE, {"type": "entsoe_load", "meter_id": "FR"}),
    "uci": ("Date,Time,Global_active_power", {"type": "uci_household"}),
}


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=12, deadline=None)
@given(table=TABLES)
def test_no_row_is_lost(reader: str, table: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    header, fields = READERS[reader]
    text = "\n".join([header, *(",".join(row) for row in table)])
    try:
        batch = read_text(tmp_path_factory.mktemp("rubbish"), text, **fields)  # holds it against the contracts
    except SourceError as error:
        assert error.reason in {"empty_file", "unreadable_file"}  # noqa: PT017
    else:
        assert batch.rows > 0
        assert batch.rejected.select("reason", "message").null_count().row(0) == (0, 0)
