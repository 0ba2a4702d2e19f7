"""The top of `sources.yaml`: market, forecast schedule and the list of sources."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from energy_assets.config.base import PublishedAt, Strict, TimeZone
from energy_assets.config.sources import AnySource
from energy_assets.contracts.anomalies import ACTIONS, ANOMALY_KINDS

LOOK_BACK_DAYS = 20  # that forecasts follow the errors of, and until the last of them is known

__all__ = ["Anomalies", "Files", "Forecast", "Market", "Peaks", "Promotion", "PublishedAt", "WarehouseConfig"]


class Market(Strict):
    """The default that plans and schedules; a source may give its meters another zone and country."""

    timezone: TimeZone = Field("UTC", description="zone of issue hours, partitions and naive times")
    country: str | None = Field(
        None, pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$", description="ISO 3166 country (and -subdivision), for holidays"
    )
    currency: str = Field("EUR", pattern=r"^[A-Z]{3}$", description="ISO 4217 currency of prices")
    history_start: date = Field(date(2015, 1, 1), description="first day that may be run or replayed")


class Promotion(Strict):
    """When one model takes the place of another: a challenger, a predecessor, or the naive forecast."""

    margin: float = Field(0.005, ge=0, lt=1, description="share by which the mean daily error has to be smaller")
    significance: float = Field(0.1, gt=0, le=0.5, description="highest p-value of the one-sided test of daily errors")
    min_days: int = Field(
        7, ge=5, le=364, description="issue days that both have to have forecast and that have come true"
    )
    weeks: int = Field(4, ge=1, le=52, description="weeks before the decision that are looked at, and no earlier ones")

    @model_validator(mode="after")
    def _days_fit_into_weeks(self) -> Promotion:
        if self.min_days > 7 * self.weeks - 2:  # the outcome of the last two days is not known yet
            raise ValueError(
                f"min_days {self.min_days} can never be reached within {self.weeks} weeks; at most {7 * self.weeks - 2}"
            )
        return self


class Forecast(Strict):
    """When forecasts are issued, what they learn from, and how they are judged."""

    issue_hour: int = Field(9, ge=0, le=23, description="local hour of the day before")
    training_days: int = Field(
        1095, ge=14, le=36_500, description="issue days before a model's training that it may learn from"
    )
    training_meter_days: int = Field(
        8_000,
        ge=1000,
        description="days of single meters that a kind of more than 30 meters learns from, besides the newest weeks",
    )
    evaluation_weeks: int = Field(4, ge=1, le=104, description="weeks that the rolling-origin evaluation goes back")
    evaluation_meters: int = Field(
        200, ge=1, description="meters of a kind that it judges; of more, so many chosen once by chance"
    )
    refit_weeks: int = Field(4, ge=1, le=52, description="weeks between two fits in that evaluation")
    own_interval: list[str] = Field(
        default_factory=list,
        description="names of sources whose meters are forecast at their own interval too, where that is finer than an "
        "hour and divides it",
    )
    scenarios: int = Field(50, ge=10, le=1000, description="joint paths of each meter's next day that are drawn")
    scenario_days: int = Field(3, ge=1, le=36_500, description="newest issue days whose paths are kept")
    seed: int = Field(7, ge=0, le=2**31 - 1, description="of everything random in training and in paths")
    promotion: Promotion = Field(Promotion(), description="when a model takes the place of another")

    @property
    def whole_days(self) -> int:
        """Issue days back from one whose features are made of every meter: what forecasts look back on."""
        return LOOK_BACK_DAYS

    @property
    def judged_days(self) -> int:
        """Issue days back whose features are made of the meters that are judged: in these weeks, and before them."""
        return 7 * max(self.evaluation_weeks, self.promotion.weeks) + LOOK_BACK_DAYS


class Peaks(Strict):
    """What counts as a peak."""

    seasonal_quantile: float = Field(
        0.95, gt=0.5, lt=1, description="of demand in the same season: what lies above it is a peak"
    )


class Anomalies(Strict):
    """What is done about anomalies, where it differs from the policy of `docs/anomalies.md`."""

    actions: dict[str, str] = Field(
        default_factory=dict,
        description="kind to action (none, exclude, impute, quarantine), e.g. {spike: none}; the policy's if absent",
    )

    @field_validator("actions")
    @classmethod
    def _known_words(cls, actions: dict[str, str]) -> dict[str, str]:
        for kind, action in actions.items():
            if kind not in ANOMALY_KINDS:
                raise ValueError(f"anomalies.actions: no kind is called {kind}; there are {', '.join(ANOMALY_KINDS)}")
            if action not in ACTIONS:
                raise ValueError(f"anomalies.actions.{kind}: {action} is none of {', '.join(ACTIONS)}")
        return actions


class Files(Strict):
    """How far files may reach that others put here. What lies beyond is rejected with its reason; the rest loads."""

    largest_mb: int = Field(4096, ge=1, le=1_000_000, description="largest file, packed and unpacked")
    expansion: int = Field(250, ge=1, le=1_000_000, description="how many times its packed size a file may grow to")
    linked_folders: list[str] = Field(
        default_factory=list, description="folders that links may lead to, besides the one that a source's `path` names"
    )


class WarehouseConfig(Strict):
    """A whole `sources.yaml`."""

    market: Market = Market()
    forecast: Forecast = Forecast()
    peaks: Peaks = Peaks()
    anomalies: Anomalies = Anomalies()
    files: Files = Files()
    sources: list[Annotated[AnySource, Field(discriminator="type")]] = Field(min_length=1)

    @field_validator("sources")
    @classmethod
    def _one_name_each(cls, sources: list[AnySource]) -> list[AnySource]:
        doubled = [name for name, count in Counter(s.name for s in sources).items() if count > 1]
        if doubled:
            raise ValueError(f"source names must differ; used twice: {', '.join(doubled)}")
        return sources

    @model_validator(mode="after")
    def _own_interval_of_sources(self) -> WarehouseConfig:
        names = [s.name for s in self.sources]
        unknown = [name for name in self.forecast.own_interval if name not in names]
        if unknown:
            raise ValueError(
                f"forecast.own_interval: no source is called {', '.join(unknown)}; there are {', '.join(names)}"
            )
        return self

    @model_validator(mode="after")
    def _issue_before_history(self) -> WarehouseConfig:
        if not date(1900, 1, 1) <= self.market.history_start <= date(2100, 1, 1):
            raise ValueError("market.history_start from 1900 to 2100 is expected")
        return self
