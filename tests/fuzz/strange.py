"""Strange input: what a file may hold that nobody wrote with care, as hypothesis strategies.

Belongs here: good files of every format, and ways to spoil bytes, tables and mappings. Does not belong here: what has
to hold for whoever reads them.
"""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections.abc import Callable
from typing import Any

import polars as pl
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# The same examples every time; ENERGY_FUZZ_EXAMPLES=2000 looks longer.
FUZZ = settings(
    max_examples=int(os.environ.get("ENERGY_FUZZ_EXAMPLES", "10")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    print_blob=False,
)

ENTSOE = "Time (CET/CEST),Day-ahead Total Load Forecast [MW] - BZN|FR,Actual Total Load [MW] - BZN|FR\n" + "".join(
    f"01.07.2024 {h:02}:00 - 01.07.2024 {h + 1:02}:00,{50000 + h},{50100 + h}\n" for h in range(6)
)
LONG = "time,value,meter,known,quality\n" + "".join(
    f"2024-07-01 {h:02}:00,{h}.5,m{h % 2},2024-07-02T00:00Z,measured\n" for h in range(8)
)
METEO = (
    "latitude,longitude,elevation,utc_offset_seconds,timezone\n48.8,2.3,38,7200,Europe/Paris\n\n"
    "time,temperature_2m (°C),wind_speed_10m (km/h)\n" + "".join(f"2024-07-01T{h:02}:00,{h},{h}\n" for h in range(6))
)
METEO_JSON = (
    '{"latitude": 48.8, "longitude": 2.3, "utc_offset_seconds": 0, "hourly_units": {"temperature_2m": "°C"}, '
    '"hourly": {"time": ["2024-07-01T00:00", "2024-07-01T01:00", "2024-07-01T02:00"], "temperature_2m": [1, 2, null]}}'
)
UCI = "Date;Time;Global_active_power;Voltage\n" + "".join(f"16/12/2006;17:{m:02}:00;4.{m};230\n" for m in range(8))
TARIFFS = (
    "tariff_id,component,window,valid_from,price,unit,valid_to,averaging_minutes\n"
    "home,energy,06:00-22:00,2024-01-01,0.25,kWh,2025-01-01,\nhome,energy,22:00-06:00,2024-01-01,0.15,kWh,,\n"
    "works,demand,all,2024-01-01,9.5,kW_month,,15\n"
)
LOADS = (
    "shiftable_load_id,meter_id,kind,power_kw,energy_kwh,duration_minutes,earliest_local,latest_local,usual_start_local,"
    "interruptible\npump,m1,batch,10,20,120,00:00,06:00,01:00,true\n"
)
FEEDBACK = (
    "target_type,target_id,verdict,author,meter_id,interval_start,corrected_kwh\n"
    "anomaly,a1,incorrect,ana,m1,2024-07-01T00:00Z,\nforecast,f1,unsure,bob,,,1.5\n"
)
COLUMNS = {"timestamp": "time", "value": "value", "meter_id": "meter"}
# Reader to a good file and the source that describes it.
READERS: dict[str, tuple[str, dict[str, Any]]] = {
    "long": (LONG, {"type": "meter_files", "columns": {**COLUMNS, "known_at": "known", "quality": "quality"}}),
    "repaired": (LONG, {"type": "meter_files", "columns": COLUMNS, "repair": ["midnight_belongs_to_next_day"]}),
    "formatted": (LONG, {"type": "meter_files", "columns": COLUMNS, "datetime_format": "%Y-%m-%d %H:%M"}),
    "register": (LONG, {"type": "meter_files", "columns": COLUMNS, "values": "register", "rollover": 10}),
    "wide": (LONG, {"type": "meter_files", "columns": {"timestamp": "time"}, "layout": "wide"}),
    "forecasts": (
        LONG,
        {"type": "forecast_files", "columns": {**COLUMNS, "known_at": "known"}, "publisher": "p", "unit": "MW"},
    ),
    "wide_forecasts": (
        LONG,
        {"type": "forecast_files", "columns": {"timestamp": "time"}, "layout": "wide", "publisher": "p"},
    ),
    "weather": (
        LONG,
        {
            "type": "weather_files", "content": "forecast", "temperature_unit": "F",
            "columns": {"timestamp": "time", "temperature_c": "value", "location_id": "meter", "issued_at": "known"},
            "simulated_error": {"temperature_c": 1},
        },
    ),
    "telemetry": (
        LONG,
        {"type": "telemetry_files", "columns": {"timestamp": "time", "power_w": "value", "machine_id": "meter"}},
    ),
    "tariffs": (TARIFFS, {"type": "tariff_files"}),
    "loads": (LOADS, {"type": "shiftable_load_files"}),
    "open_meteo": (METEO, {"type": "open_meteo"}),
    "open_meteo_json": (METEO_JSON, {"type": "open_meteo"}),
    "entsoe": (ENTSOE, {"type": "entsoe_load", "meter_id": "FR"}),
    "uci": (UCI, {"type": "uci_household"}),
}  # fmt: skip

RUBBISH = (
    *("", "-", "?", "NaN", "inf", "-1", "1e309", "-1e308", "9" * 400, "0x1F", "1_000", "1,5", "TRUE", "null", "None"),
    *('"', '""', "'", "\\", "\x00", "\x1a", "\r", "\n", "\r\n", "\u2028", "\ufeff", "\U0001f600", "é", "\u202e"),
    *(",", ";", "\t", "|", "=cmd()", "'; DROP TABLE raw.meters; --", "<script>", "${jndi}", "{{ 1 }}", "%s%n", "$x$"),
    *("2024-02-30", "2024-03-31 02:30", "0001-01-01", "9999-12-31 23:59", "2262-04-12", "24:00", "2024-07-01 24:00"),
    *("2024-07-01T00:00+99:99", "2024-07-01T00:00-23:59", "+292277-01-01", "1719792000", "99999999999999999999"),
    *("2024-06-30T23:59:60Z", "31.12.9999 23:00 - 31.12.9999 24:00", "29/2/2007", "99/99/99", "x" * 70_000, "[", "{"),
)  # fmt: skip
PIECES = [piece.encode() for piece in RUBBISH] + [
    b"\xff\xfe",
    b"\x80",
    b"PAR1",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"\xc3\x28",
]
CELLS = st.one_of(st.sampled_from(RUBBISH), st.text(max_size=12))


@st.composite
def spoiled_bytes(draw: st.DrawFn, good: bytes) -> bytes:
    """The bytes with some cut off, turned over, put in, taken out or said twice."""
    content = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        length = draw(st.integers(1, 60))
        match draw(st.sampled_from(("flip", "cut", "insert", "remove", "repeat", "rest"))):
            case "flip" if content:
                content[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del content[at:]
            case "insert":
                content[at:at] = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=12)))
            case "remove":
                del content[at : at + length]
            case "repeat":
                content[at:at] = content[at : at + length] * draw(st.integers(1, 3))
            case _:
                content += draw(st.binary(max_size=40))
    return bytes(content)


@st.composite
def spoiled_cells(draw: st.DrawFn, good: str) -> bytes:
    """The table with some cells replaced and others' line ends or encoding."""
    lines = good.split("\n")
    for _ in range(draw(st.integers(1, 5))):
        row = draw(st.integers(0, len(lines) - 1))
        cells = lines[row].split(",")
        cells[draw(st.integers(0, len(cells) - 1))] = draw(CELLS)
        lines[row] = ",".join(cells)
    ends = draw(st.sampled_from(("\n", "\r\n", "\r", "\n\r", "\n\n")))
    text = ends.join(lines) if draw(st.booleans()) else "\n".join(lines)
    encoding = draw(st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "utf-7", "utf-32")))
    return text.encode(encoding, errors="replace")


def files(good: str) -> st.SearchStrategy[bytes]:
    """Anything: rubbish, and the good file spoiled by bytes or by cells, plain, gzipped or zipped, spoiled again."""
    plain = st.one_of(st.binary(max_size=200), spoiled_bytes(good.encode()), spoiled_cells(good))
    packed = st.tuples(plain, st.sampled_from(PACKERS)).map(lambda pair: pair[1](pair[0]))
    return st.one_of(plain, packed, packed.flatmap(spoiled_bytes))


def zipped(content: bytes, name: str = "inside.csv") -> bytes:
    """A zip of one member."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


PACKERS: tuple[Callable[[bytes], bytes], ...] = (gzip.compress, zipped, lambda plain: zipped(gzip.compress(plain)))


def parquet(frame: pl.DataFrame) -> bytes:
    """The frame as a Parquet file."""
    whole = io.BytesIO()
    frame.write_parquet(whole)
    return whole.getvalue()
