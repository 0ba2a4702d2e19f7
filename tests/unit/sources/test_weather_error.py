"""The error put on forecasts of temperature: its size, its correlation, and that it is a function of place and hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from energy_assets.config import OpenMeteo, SimulatedError
from energy_assets.sources.weather_error import with_error
from tests.unit.sources.reading import read_path

START = datetime(2022, 1, 1, tzinfo=UTC)
ERROR = SimulatedError(temperature_c=1.5, correlation_hours=12)


def _hours(place: str, count: int = 8760) -> pl.DataFrame:
    times = pl.datetime_range(START, START + timedelta(hours=count - 1), "1h", time_unit="us", eager=True)
    return pl.DataFrame({"location_id": [place] * count, "valid_at_utc": times, "temperature_c": [10.0] * count})


def _errors(place: str) -> np.ndarray:
    return with_error(_hours(place), ERROR)["temperature_c"].to_numpy() - 10.0


def test_its_size_and_correlations_are_those_asked_for() -> None:
    paris, lille = _errors("paris"), _errors("lille")
    assert paris.std() == pytest.approx(1.5, rel=0.1)
    assert abs(paris.mean()) < 0.15
    assert np.corrcoef(paris, lille)[0, 1] == pytest.approx(0.5, abs=0.1)
    assert np.corrcoef(paris[12:], paris[:-12])[0, 1] == pytest.approx(np.exp(-1), abs=0.1)


def test_it_is_a_function_of_place_and_hour_alone() -> None:
    whole = with_error(pl.concat([_hours("paris", 100), _hours("lille", 100)]), ERROR)
    turned = with_error(pl.concat([_hours("lille", 100)[50:], _hours("paris", 100).reverse()]), ERROR)
    keys = ["location_id", "valid_at_utc"]
    assert (
        turned.join(whole, on=keys, suffix="_whole")
        .filter(pl.col("temperature_c") != pl.col("temperature_c_whole"))
        .is_empty()
    )
    unknown = _hours("paris", 5).with_columns(temperature_c=pl.lit(None, dtype=pl.Float64))
    assert with_error(unknown, ERROR)["temperature_c"].null_count() == 5


def test_a_source_that_asks_for_it_has_it_on_forecasts(tmp_path: Path) -> None:
    path = tmp_path / "weather_paris.parquet"
    _hours("paris", 48).select(time="valid_at_utc", temperature_2m="temperature_c").write_parquet(path)
    plain: dict[str, Any] = {"type": "open_meteo"}
    erring = plain | {"simulated_error": {"temperature_c": 1.5}}
    weather = [read_path(path, **source).tables["raw.weather"] for source in (plain, erring)]
    assert weather[0]["temperature_c"].unique().to_list() == [10.0]
    assert weather[1]["temperature_c"].n_unique() == 48
    assert weather[1].drop("temperature_c").equals(weather[0].drop("temperature_c"))


def test_what_was_measured_has_none() -> None:
    with pytest.raises(ValidationError, match="what was measured stays as it is"):
        OpenMeteo(name="w", type="open_meteo", path="w*.parquet", content="observed", simulated_error=ERROR)
