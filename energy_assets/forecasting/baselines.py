"""What a model has to beat.

Belongs here: the seasonal naive forecast and the calendar-and-temperature regression with its recency form, as point
forecasts over feature frames. Does not belong here: the grid operator's forecast (it is data), the linear member of the
blend (`linear.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from energy_assets.forecasting.features import Matrix
from energy_assets.forecasting.linear import one_blas_thread
from energy_assets.forecasting.selection import ORDER, naive_kwh

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SEASONAL_NAIVE = "seasonal_naive"
CALENDAR_TEMPERATURE = "calendar_temperature"
TEMPERATURE = "temperature_c"
RECENT_TEMPERATURES = (
    "temperature_lag_24h_c",
    "temperature_lag_48h_c",
    "temperature_mean_24h_c",
    "temperature_mean_72h_c",
)
POINT_COLUMNS = ("meter_id", "issued_at_utc", "interval_start_utc", "interval_end_utc", "demand_kwh")
HOURS, WEEKDAYS, MONTHS, POWERS = 24, 7, 12, 3
HOLIDAY_WEEKDAY = 7  # a holiday is treated as a Sunday, as the benchmark's users do
MIN_ROWS = 7 * 24
MIN_TREND_DAYS = 365
ALPHA, RECENCY_ALPHA = 0.1, 1.0  # of the ridge; five times the temperature terms are held more


def seasonal_naive(frame: pl.DataFrame) -> pl.DataFrame:
    """Demand of the same local hour one week before the target (`POINT_COLUMNS`, sorted by key).

    Where that is unknown: two, three, four weeks before; then the last known day's same hour, its mean, and the mean
    of what is known. Rows of meters of which nothing is known are left out.
    """
    values = frame.sort(ORDER).with_columns(naive_kwh().clip(lower_bound=0).alias("demand_kwh"))
    return values.select(POINT_COLUMNS).filter(pl.col("demand_kwh").is_finite())


@dataclass(frozen=True)
class CalendarTemperatureRegression:
    """Hong's vanilla benchmark (Tao Hong, 2010; the benchmark of GEFCom2012), one regression per meter.

    Demand on hour x weekday, month, temperature to the third power x hour and x month, and, with at least a year of
    history, a linear trend. No lags: it shows what calendar and weather alone explain. A little ridge keeps it
    solvable where months or temperatures were never seen. Without temperature its terms are left out.

    With `recency` each of those temperatures has the same terms as the temperature of the hour: lagged temperatures and
    means over the days before (Wang, Liu and Hong, International Journal of Forecasting 32, 2016).
    """

    regressions: Mapping[str, _Regression]

    @classmethod
    def fit(cls, frame: pl.DataFrame, *, as_of: datetime, recency: Sequence[str] = ()) -> CalendarTemperatureRegression:
        """Fit every meter with at least a week of rows known at `as_of`.

        Args:
            frame: feature frame with `demand_kwh` (null = not usable) and, optionally, `label_known_at_utc`.
            as_of: tz-aware.
            recency: further temperature columns, such as `RECENT_TEMPERATURES`.
        """
        known_at = pl.col("label_known_at_utc" if "label_known_at_utc" in frame.columns else "interval_end_utc")
        rows = frame.filter(
            pl.col("demand_kwh").is_finite(), known_at <= as_of, pl.col("interval_end_utc") <= as_of
        ).sort(ORDER)
        meters = rows.partition_by("meter_id", as_dict=True, maintain_order=True)
        one_blas_thread()
        return cls({str(key[0]): _fit_one(part, recency) for key, part in meters.items() if part.height >= MIN_ROWS})

    def predict(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Point forecasts (`POINT_COLUMNS`, sorted by key) of the meters that were fitted.

        Where a meter was fitted with temperature and a row has none, its temperature terms count as their mean.
        """
        meters = frame.sort(ORDER).partition_by("meter_id", as_dict=True, maintain_order=True)
        known = {str(key[0]): part for key, part in meters.items() if str(key[0]) in self.regressions}
        parts = [
            part.with_columns(pl.Series("demand_kwh", self.regressions[meter].predict(part), dtype=pl.Float64))
            for meter, part in known.items()
        ]
        empty = frame.clear().with_columns(pl.lit(None, dtype=pl.Float64).alias("demand_kwh"))
        return pl.concat([p.select(POINT_COLUMNS) for p in [empty, *parts]])


@dataclass(frozen=True)
class _Regression:
    """`temperatures`: column -> mean and spread that its values are scaled by."""

    model: Any
    scale: float
    temperatures: Mapping[str, tuple[float, float]]
    start: datetime
    trend: bool

    def predict(self, frame: pl.DataFrame) -> Matrix:
        terms = _terms(frame, self.temperatures, self.start, trend=self.trend)
        result: Matrix = np.maximum(self.model.predict(terms) * self.scale, 0.0)
        return result


def _fit_one(frame: pl.DataFrame, recency: Sequence[str]) -> _Regression:
    from sklearn.linear_model import Ridge  # a second of import that loading the package should not cost

    temperatures: dict[str, tuple[float, float]] = {}
    if frame[TEMPERATURE].count() >= frame.height / 2:
        frame = frame.filter(pl.col(TEMPERATURE).is_not_null())
        for name in (TEMPERATURE, *recency):
            known = frame[name].drop_nulls().cast(pl.Float64).to_numpy()
            if len(known):
                temperatures[name] = (float(known.mean()), max(float(known.std()), 1e-6))
    start, end = frame["interval_start_utc"].min(), frame["interval_start_utc"].max()
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        raise TypeError("interval_start_utc is expected to hold instants")
    trend = (end - start).days >= MIN_TREND_DAYS
    demand = frame["demand_kwh"].cast(pl.Float64).to_numpy()
    scale = float(np.abs(demand).mean()) or 1.0
    terms = _terms(frame, temperatures, start, trend=trend)
    alpha = RECENCY_ALPHA if len(temperatures) > 1 else ALPHA
    model = Ridge(alpha=alpha, fit_intercept=False, solver="cholesky").fit(terms, demand / scale)
    return _Regression(model, scale, temperatures, start, trend)


def _terms(
    frame: pl.DataFrame, temperatures: Mapping[str, tuple[float, float]], start: datetime, *, trend: bool
) -> csr_array[Any, Any]:
    """Sparse rows x terms: hour x weekday, month, and powers of the scaled temperatures x hour and x month."""
    from scipy.sparse import csr_array, hstack  # a second of import that loading the package should not cost

    hour = frame["local_hour"].cast(pl.Int64).to_numpy()
    weekday = frame.select(pl.when("is_holiday").then(HOLIDAY_WEEKDAY).otherwise("day_of_week")).to_series()
    month = frame["local_date"].dt.month().cast(pl.Int64).to_numpy() - 1
    days = (frame["interval_start_utc"] - start).dt.total_seconds().to_numpy() / 86_400
    rows = np.arange(frame.height)
    blocks = [
        _one_hot(rows, (weekday.cast(pl.Int64).to_numpy() - 1) * HOURS + hour, HOURS * WEEKDAYS),
        _one_hot(rows, month, MONTHS),
        _common(np.ones(frame.height)),
    ]
    if trend:
        blocks.append(csr_array((days / 365.25).reshape(-1, 1)))
    for name, (mean, spread) in temperatures.items():
        scaled = frame.select((pl.col(name) - mean).cast(pl.Float64).fill_null(0.0) / spread)
        temperature = np.clip(scaled.to_series().to_numpy(), -3.5, 3.5)
        for power in range(1, POWERS + 1):
            blocks.append(_one_hot(rows, hour, HOURS, temperature**power))
            blocks.append(_one_hot(rows, month, MONTHS, temperature**power))
            blocks.append(_common(temperature**power))
    return csr_array(hstack(blocks))


def _common(values: Matrix) -> csr_array[Any, Any]:
    """A term of all hours and months, hardly penalised: a month never seen is then the mean of those seen, not zero."""
    from scipy.sparse import csr_array  # see above

    return csr_array(10.0 * values.reshape(-1, 1))


def _one_hot(rows: Any, column: Any, size: int, values: Any = None) -> csr_array[Any, Any]:
    from scipy.sparse import csr_array  # see above

    data = np.ones(len(rows)) if values is None else values
    return csr_array((data, (rows, column)), shape=(len(rows), size))
