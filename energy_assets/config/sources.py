"""One class per `type` of source in `sources.yaml`: the fields that describe it.

A field's meaning stands in its description; the data dictionary and `docs/sources.md` are made from it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, field_validator, model_validator

from energy_assets.config.base import LONGEST_LAG, PublishedAt, Strict, TimeZone, time_format

Kind = Literal["household", "industrial", "building", "feeder", "zone", "machine"]
Unit = Literal["Wh", "kWh", "MWh", "W", "kW", "MW"]
Repair = Literal["midnight_belongs_to_next_day"]


class MeterDetails(Strict):
    """What is known of one meter beyond its readings; every field overrides the source's."""

    name: str | None = Field(None, description="name for people")
    kind: Kind | None = Field(None, description="what is metered")
    site_id: str | None = Field(None, description="site that it belongs to")
    parent_meter_id: str | None = Field(None, description="meter that contains this one")
    timezone: TimeZone | None = Field(None, description="zone of its local day")
    country: str | None = Field(None, description="country (and -subdivision) for holidays and weather")
    latitude: float | None = Field(None, ge=-90, le=90, description="degrees north")
    longitude: float | None = Field(None, ge=-180, le=180, description="degrees east")
    capacity_kw: float | None = Field(None, gt=0, description="contracted or technical capacity, kW")
    tariff_id: str | None = Field(None, description="tariff that it is billed by")
    locations: list[str] | None = Field(None, description="places of its weather; those of its country if absent")


class Source(Strict):
    """What every source has."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="stands in every row that the source brings")


class FileSource(Source):
    """A source of files: a path or glob, relative to the warehouse folder; plain, zipped or gzipped."""

    path: str = Field(min_length=1, description="file or glob, from the warehouse folder; plain, zipped or gzipped")
    timezone: TimeZone | None = Field(None, description="zone of naive times; the market's if absent")
    country: str | None = Field(None, description="country of the meters or places; the market's if absent")
    publication_lag_minutes: int = Field(60, ge=0, le=LONGEST_LAG, description="known_at = end + lag, unless recorded")


class _Meters(FileSource):
    """Its meters, where they stand and how their days run."""

    kind: Kind = Field("building", description="what is metered; models are trained per kind")
    meter_timezone: TimeZone | None = Field(
        None, description="zone of the meters' local day, if not that of the stamps"
    )
    meters: dict[str, MeterDetails] = Field(default_factory=dict, description="more about single meters, by meter_id")
    capacity_kw: float | None = Field(None, gt=0, description="contracted or technical capacity of each meter")
    site_id: str | None = Field(None, description="site that the meters belong to")
    locations: list[str] | None = Field(None, description="places of weather; those of the country if absent")


class EntsoeLoad(_Meters):
    """ENTSO-E Transparency export "Total Load - Day Ahead / Actual"."""

    type: Literal["entsoe_load"]
    meter_id: str = Field(description="id of the zone, e.g. FR")
    kind: Kind = "zone"
    publisher: str = Field("ENTSO-E", description="who made the day-ahead column")
    published: PublishedAt = Field(PublishedAt(day=-1, hour=10), description="when the day-ahead column was known")


class UciHousehold(_Meters):
    """UCI 235, individual household electric power consumption, 1-minute power."""

    type: Literal["uci_household"]
    meter_id: str = Field("uci_household", description="id of the household")
    kind: Kind = "household"
    timezone: TimeZone | None = "Europe/Paris"
    publication_lag_minutes: int = Field(5, ge=0, le=LONGEST_LAG)


class MeterColumns(Strict):
    """Names of the file's columns. Wide files name only the timestamp."""

    timestamp: str = Field(description="time of the reading")
    meter_id: str | None = Field(None, description="which meter a row is of")
    value: str | None = Field(None, description="the reading")
    quality: str | None = Field(None, description="measured, estimated or corrected, row by row")
    known_at: str | None = Field(None, description="instant (with offset, or in the source's zone) the row was known")


class _TableFile(FileSource):
    """How its text is to be read; Parquet needs none of it."""

    delimiter: str = Field(",", pattern=r"^[\t !#-~]$", description="between the columns of a CSV")
    null_values: list[str] = Field(
        default_factory=lambda: ["", "-", "N/A", "NA", "null", "NULL", "NaN", "nan", "?"],
        description="texts that mean: no value",
    )
    datetime_format: str | None = Field(None, description="strftime format of the stamps; ISO 8601 if absent")

    _parses = field_validator("datetime_format")(time_format)


class MeterFiles(_Meters, _TableFile):
    """Any CSV or Parquet of readings, described rather than coded."""

    type: Literal["meter_files"]
    columns: MeterColumns = Field(description="which column is what")
    meter_id: str | None = Field(None, description="the one meter of a file without an id column")
    meter_id_prefix: str = Field("", description="put before every id, so that ids of two sources cannot meet")
    layout: Literal["long", "wide"] = Field("long", description="one row per meter and time, or one column per meter")
    timestamp_marks: Literal["start", "end"] = Field("start", description="which end of the interval a stamp marks")
    interval_minutes: int = Field(60, ge=1, le=60, description="length of an interval; divides an hour")
    unit: Unit = Field("kWh", description="power is the mean over the interval")
    scale: float = Field(1.0, gt=0, description="value * scale is in `unit`; 1/60 turns kW-minutes into kWh")
    values: Literal["interval", "register"] = Field("interval", description="energy per interval, or a running count")
    rollover: float | None = Field(None, gt=0, description="a register starts again at 0 after this value")
    direction: Literal["import", "export"] = Field("import", description="demand, or feed-in")
    quality: Literal["measured", "estimated", "corrected"] = Field("measured", description="of rows that do not say")
    known_from: datetime | None = Field(None, description="nothing of this source was known before (cleaned data sets)")
    repair: list[Repair] = Field(default_factory=list, description="named rules for known faults of a publisher")

    @model_validator(mode="after")
    def _layout_fits(self) -> MeterFiles:
        if self.layout == "long" and not self.columns.value:
            raise ValueError("columns.value is needed with layout: long")
        if self.layout == "long" and not (self.meter_id or self.columns.meter_id):
            raise ValueError("name the meter: columns.meter_id (a column) or meter_id (one fixed meter)")
        if self.layout == "wide" and (self.columns.value or self.columns.meter_id or self.meter_id):
            raise ValueError(
                "layout: wide has one column per meter; leave out meter_id, columns.meter_id and columns.value"
            )
        if self.rollover and self.values != "register":
            raise ValueError("rollover belongs to values: register")
        if self.values == "register" and self.unit not in ("Wh", "kWh", "MWh"):
            raise ValueError("a register counts energy: unit Wh, kWh or MWh")
        if 60 % self.interval_minutes:
            raise ValueError(f"interval_minutes {self.interval_minutes} does not divide an hour")
        if self.known_from and (self.known_from.tzinfo is None or not 1900 <= self.known_from.year <= 2200):
            raise ValueError("known_from needs an offset and a year from 1900 to 2200, e.g. 2020-01-01T00:00:00Z")
        return self


class ForecastColumns(Strict):
    """Names of the file's columns. Wide files name only the timestamp."""

    timestamp: str = Field(description="time that is forecast")
    meter_id: str | None = Field(None, description="which meter a row is of")
    value: str | None = Field(None, description="the forecast")
    known_at: str | None = Field(None, description="instant (with offset, or in the source's zone) it was published")


class ForecastFiles(_TableFile):
    """Forecasts that others published, to compare with."""

    type: Literal["forecast_files"]
    columns: ForecastColumns = Field(description="which column is what")
    publisher: str = Field(description="who made the forecasts")
    meter_id: str | None = Field(None, description="the one meter of a file without an id column")
    meter_id_prefix: str = Field("", description="as in the source of the readings")
    layout: Literal["long", "wide"] = Field("long", description="one row per meter and time, or one column per meter")
    timestamp_marks: Literal["start", "end"] = Field("start", description="which end of the interval a stamp marks")
    interval_minutes: int = Field(60, ge=1, le=60, description="length of an interval")
    unit: Unit = Field("kWh", description="power is the mean over the interval")
    scale: float = Field(1.0, gt=0, description="value * scale is in `unit`")
    published: PublishedAt = Field(PublishedAt(day=-1, hour=10), description="when, if no column says so")
    meter_timezone: TimeZone | None = Field(None, description="zone of `published`; that of the stamps if absent")

    @model_validator(mode="after")
    def _layout_fits(self) -> ForecastFiles:
        if self.layout == "long" and not (self.columns.value and (self.meter_id or self.columns.meter_id)):
            raise ValueError("layout: long needs columns.value and columns.meter_id or meter_id")
        return self


class WeatherColumns(Strict):
    """Names of the file's columns; those that are absent are null."""

    timestamp: str = Field(description="time that the values hold for")
    location_id: str | None = Field(None, description="which place a row is of")
    issued_at: str | None = Field(None, description="issue time of the forecast; issue_basis is then `reported`")
    temperature_c: str | None = None
    relative_humidity_pct: str | None = None
    wind_speed_ms: str | None = None
    cloud_cover_pct: str | None = None
    precipitation_mm: str | None = None
    solar_irradiance_wm2: str | None = None


class SimulatedError(Strict):
    """An error put on temperatures, to see what forecasting costs where an archive is of short lead."""

    temperature_c: float = Field(gt=0, le=10, description="its standard deviation at each place, °C")
    correlation_hours: float = Field(12.0, gt=0, le=240, description="after which its correlation has fallen to 37 %")


class _Weather(FileSource):
    """What its weather is, and of which place."""

    content: Literal["forecast", "observed"] = Field(
        "forecast", description="what was said before, or what was measured"
    )
    assumed_issue: PublishedAt = Field(PublishedAt(day=-1, hour=6), description="of forecasts without an issue time")
    location_id: str | None = Field(None, description="the one place of a file without an id column")
    simulated_error: SimulatedError | None = Field(None, description="error to put on forecasts; observations stay")

    @model_validator(mode="after")
    def _errors_are_of_forecasts(self) -> _Weather:
        if self.simulated_error is not None and self.content != "forecast":
            raise ValueError("simulated_error is for content: forecast; what was measured stays as it is")
        return self


class WeatherFiles(_Weather, _TableFile):
    """Any CSV or Parquet of weather."""

    type: Literal["weather_files"]
    columns: WeatherColumns = Field(description="which column is what")
    temperature_unit: Literal["C", "F", "K"] = Field("C", description="of the temperature column")
    wind_unit: Literal["m/s", "km/h", "kn", "mph"] = Field("m/s", description="of the wind column")
    content: Literal["forecast", "observed"] = "observed"


class OpenMeteo(_Weather):
    """Open-Meteo's hourly variables as saved Parquet, CSV or JSON. `weather_<place>.<ext>` names its place."""

    type: Literal["open_meteo"]
    timezone: TimeZone | None = "UTC"


class TelemetryColumns(Strict):
    """Names of the file's columns; those that are absent are null."""

    timestamp: str = Field(description="instant of the observation")
    machine_id: str | None = Field(None, description="which machine a row is of")
    temperature_c: str | None = None
    vibration_ms2: str | None = None
    pressure_bar: str | None = None
    power_w: str | None = None


class TelemetryFiles(_TableFile):
    """Machine sensors from CSV or Parquet."""

    type: Literal["telemetry_files"]
    columns: TelemetryColumns = Field(description="which column is what")
    machine_id: str | None = Field(None, description="the one machine of a file without an id column")
    site_id: str | None = Field(None, description="site that the machines belong to")
    publication_lag_minutes: int = Field(1, ge=0, le=LONGEST_LAG)

    @model_validator(mode="after")
    def _machine_named(self) -> TelemetryFiles:
        if not (self.machine_id or self.columns.machine_id):
            raise ValueError("name the machine: columns.machine_id (a column) or machine_id (one fixed machine)")
        return self


class TariffFiles(_TableFile):
    """Prices from a CSV whose columns are those of raw.tariffs (valid_from and valid_to in the source's zone)."""

    type: Literal["tariff_files"]


class ShiftableLoadFiles(_TableFile):
    """Loads whose time of use may be moved, and batteries: a CSV whose columns are those of raw.shiftable_loads."""

    type: Literal["shiftable_load_files"]


class Simulation(Source):
    """A fleet that behaves like real meters. Everything follows from the seed."""

    type: Literal["simulation"]
    seed: int = Field(1, ge=0, le=2**31 - 1, description="another seed is another fleet")
    history_days: int = Field(400, ge=3, le=4000, description="days of readings and weather before the first run")
    telemetry_days: int = Field(10, ge=1, le=400, description="days of machine telemetry (every ten seconds)")
    households: int = Field(12, ge=0, le=5000)
    industrial_sites: int = Field(3, ge=0, le=500)
    machines_per_site: int = Field(2, ge=0, le=20)
    buildings: int = Field(4, ge=0, le=2000)
    zones: int = Field(1, ge=0, le=20, description="bidding zones, each with its operator's own forecast")
    locations: int = Field(2, ge=1, le=50, description="places of weather")
    fault_rate_per_meter_month: float = Field(1.0, ge=0, le=50, description="injected; raw.simulated_faults has them")


AnySource = (
    EntsoeLoad
    | OpenMeteo
    | UciHousehold
    | MeterFiles
    | WeatherFiles
    | ForecastFiles
    | TelemetryFiles
    | TariffFiles
    | ShiftableLoadFiles
    | Simulation
)
