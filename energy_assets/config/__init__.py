"""`sources.yaml`: what a warehouse loads, validated.

Belongs here: the shape of the file (`models.py`, `sources.py`) and reading it with errors that name the line
(`reading.py`). Does not belong here: how a source is read; that is `energy_assets.sources`.
"""

from energy_assets.config.models import Files, Forecast, Market, Promotion, PublishedAt, WarehouseConfig
from energy_assets.config.reading import ConfigError, load_config
from energy_assets.config.sources import (
    EntsoeLoad,
    FileSource,
    ForecastFiles,
    MeterFiles,
    OpenMeteo,
    ShiftableLoadFiles,
    SimulatedError,
    Simulation,
    Source,
    TariffFiles,
    TelemetryFiles,
    UciHousehold,
    WeatherFiles,
)

__all__ = [
    "ConfigError",
    "EntsoeLoad",
    "FileSource",
    "Files",
    "Forecast",
    "ForecastFiles",
    "Market",
    "MeterFiles",
    "OpenMeteo",
    "Promotion",
    "PublishedAt",
    "ShiftableLoadFiles",
    "SimulatedError",
    "Simulation",
    "Source",
    "TariffFiles",
    "TelemetryFiles",
    "UciHousehold",
    "WarehouseConfig",
    "WeatherFiles",
    "load_config",
]
