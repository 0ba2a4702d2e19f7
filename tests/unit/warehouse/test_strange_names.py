"""Names that are made to break SQL, from a file into the tables and on into the published copy."""

from __future__ import annotations

from pathlib import Path

from energy_assets.config import WarehouseConfig
from energy_assets.querying import query_published
from energy_assets.settings import Settings
from energy_assets.warehouse import Warehouse, load_sources, publish
from tests.pipeline.bad_input import STRANGE, STRANGE_FILE, STRANGE_FOLDER
from tests.unit.sources.reading import RECEIVED


def test_names_stay_what_they_are(tmp_path: Path) -> None:
    folder = tmp_path / STRANGE_FOLDER
    folder.mkdir()
    quoted = ['"' + meter.replace('"', '""') + '"' for meter in STRANGE]
    lines = [f"2024-07-01 {hour:02}:00,{meter},1.5" for meter in quoted for hour in range(3)]
    (folder / STRANGE_FILE).write_text("\n".join(['it\'s; a time,"""meter""",{{ kwh }}', *lines]) + "\n")
    columns = {"timestamp": "it's; a time", "meter_id": '"meter"', "value": "{{ kwh }}"}
    config = WarehouseConfig.model_validate(
        {"sources": [{"name": "a", "type": "meter_files", "path": STRANGE_FILE, "columns": columns}]}
    )
    warehouse = Warehouse(folder / "energy.duckdb", threads=1, memory_limit="500MB")
    for outcome in ("loaded", "unchanged"):
        report = load_sources(warehouse, config, folder, received_at=RECEIVED, known_until=RECEIVED)
        assert [(file["path"], file["outcome"]) for file in report.files] == [(STRANGE_FILE, outcome)]
    counts = warehouse.frame("SELECT meter_id, count(*) FROM raw.meter_readings GROUP BY 1").rows()
    assert sorted(counts) == sorted((meter, 3) for meter in STRANGE)
    with warehouse.connect() as con:
        con.execute("CREATE SCHEMA marts")
        con.execute("CREATE TABLE marts.dim_meters AS SELECT * FROM raw.meters")
    settings = Settings(warehouse=folder)
    publish(warehouse, settings.serving, now=RECEIVED)
    said = query_published(settings, "SELECT count(DISTINCT meter_id) AS n FROM marts.dim_meters", as_csv=True)
    assert said == f"n\n{len(STRANGE)}"
