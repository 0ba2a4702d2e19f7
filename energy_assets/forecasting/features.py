"""From the feature table to what a model learns from: scale-free ratios, harmonics, differences.

Belongs here: the ordered feature lists and the columns that SQL expresses badly, used by training and scoring alike.
Does not belong here: lags, calendars and weather joins (dbt makes them), models, or anything that looks at labels
but `log_ratio`.

Every demand column is divided by the meter's own recent level, so that a home and a country have the same
distribution and one model per kind serves them all; trees never meet a level they have not seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

DEGREE_MEANS = ("heating_mean_12h_c", "heating_mean_24h_c", "heating_mean_72h_c", "cooling_mean_24h_c")
CHANGING_DEGREES = (
    "heating_degrees",
    "heating_mean_12h",
    "heating_mean_24h",
    "heating_mean_72h",
    "hard_heating_degrees",
    "cooling_degrees",
    "cooling_mean_24h",
    "wind_heating",
)
WEATHER_COLUMNS = (
    "temperature_c",
    "temperature_mean_24h_c",
    "temperature_mean_72h_c",
    "temperature_lag_24h_c",
    "temperature_lag_48h_c",
    "temperature_lag_168h_c",
    "temperature_day_min_c",
    "temperature_day_max_c",
    "temperature_day_mean_c",
    "temperature_last_day_mean_c",
    "heating_degrees_c",
    "hard_heating_degrees_c",
    "cooling_degrees_c",
    *DEGREE_MEANS,
    "wind_heating_c",
    *(f"{name}_change_{hours}h_c" for name in CHANGING_DEGREES for hours in (24, 48, 168)),
    "relative_humidity_pct",
    "wind_speed_ms",
    "cloud_cover_pct",
    "solar_irradiance_wm2",
)
CALENDAR_FLAGS = ("is_weekend", "is_holiday", "is_day_before_holiday", "is_day_after_holiday", "is_bridge_day")
LAG_FLAGS = tuple(f"is_lag_{days}d_{what}" for days in (1, 2, 7, 14) for what in ("special", "other"))
DEMAND_COLUMNS = (
    "demand_lag_1d_kwh",
    "demand_lag_2d_kwh",
    "demand_lag_7d_kwh",
    "demand_lag_8d_kwh",
    "demand_lag_14d_kwh",
    "demand_lag_21d_kwh",
    "demand_lag_28d_kwh",
    "demand_same_weekday_mean_kwh",
    "demand_similar_median_kwh",
    "demand_similar_last_kwh",
    "demand_last_known_kwh",
    "demand_mean_24h_kwh",
    "demand_last_day_mean_kwh",
    "demand_last_day_min_kwh",
    "demand_last_day_max_kwh",
    "demand_last_day_same_hour_kwh",
)
SAME_WEEKDAY_LAGS = ("demand_lag_7d_kwh", "demand_lag_14d_kwh", "demand_lag_21d_kwh", "demand_lag_28d_kwh")
LEVEL_COLUMNS = (
    "demand_mean_168h_kwh",
    "demand_last_day_mean_kwh",
    "demand_mean_24h_kwh",
    "demand_same_weekday_mean_kwh",
    "demand_last_day_same_hour_kwh",
)
DAY_TYPES = ("working_day", "weekend", "holiday", "bridge_day")
DAY_GROUPS = ("working", "after_rest", "saturday", "sunday")
FEW_METERS = 30  # up to so many meters of a kind are told apart; of more, single ones have too few rows in training

CALENDAR_FEATURES = (
    "local_hour",
    "day_of_week",
    "day_type_code",
    "day_group_code",
    "day_of_year",
    *CALENDAR_FLAGS,
    *LAG_FLAGS,
    "year_sin_1",
    "year_cos_1",
    "year_sin_2",
    "year_cos_2",
    "hour_sin_1",
    "hour_cos_1",
)
DEMAND_FEATURES = (
    *(c.removesuffix("_kwh") + "_log_ratio" for c in DEMAND_COLUMNS),
    "demand_same_weekday_median_log_ratio",
    "demand_same_weekday_spread",
    "demand_week_change",
    "demand_week_change_day_before",
    "morning_log_ratio",
)
WEATHER_FEATURES = (
    *WEATHER_COLUMNS,
    "temperature_change_1d_c",
    "temperature_change_2d_c",
    "temperature_change_7d_c",
    "temperature_change_last_day_c",
    "temperature_change_72h_c",
)
PUBLISHED = "published_log_ratio"
PROFILE_KWH, PROFILE, PROFILE_SPREAD = "demand_profile_kwh", "demand_profile_log_ratio", "demand_profile_spread"
METER_CODE = "meter_code"
CATEGORICAL_FEATURES = ("day_type_code", "day_group_code", METER_CODE)
RATIO_LIMIT = 4.0  # |log ratio| beyond this (a factor of 55) says that the level is wrong, not the demand


def feature_names(
    *, weather: bool, meters: bool = False, published: bool = False, profiles: bool = False
) -> tuple[str, ...]:
    """The ordered features of the demand models: calendar and demand, and weather where the meters have it.

    `meters` adds the number of the meter, for kinds whose few meters are told apart; `published` what others had said;
    `profiles` what the meter's load profile says, for kinds of more.

    >>> len(feature_names(weather=False)) < len(feature_names(weather=True))
    True
    """
    return (
        CALENDAR_FEATURES
        + DEMAND_FEATURES
        + (WEATHER_FEATURES if weather else ())
        + ((METER_CODE,) if meters else ())
        + ((PUBLISHED,) if published else ())
        + ((PROFILE, PROFILE_SPREAD) if profiles else ())
    )


def told_apart(meter_ids: Iterable[str]) -> tuple[str, ...]:
    """The meters that get a number of their own: all of them where they are few, none where they are one or many.

    >>> told_apart(["b", "a", "b"]), told_apart(["a"])
    (('a', 'b'), ())
    """
    meters = tuple(sorted(set(meter_ids)))
    return meters if 1 < len(meters) <= FEW_METERS else ()


def recent_level() -> pl.Expr:
    """The meter's recent mean demand in kWh per hour; null where nothing positive is known."""
    return pl.coalesce(pl.when(pl.col(c) > 0).then(pl.col(c)) for c in LEVEL_COLUMNS)


def ratio_offset(frame: pl.DataFrame) -> float:
    """How much is added to every ratio before its logarithm, learned from a training frame.

    0 for meters whose demand never comes near zero (a zone: errors are then relative errors), up to 0.3 for meters
    that rest at zero, whose logarithm would otherwise be about the standby of a fridge.
    """
    ratio = frame.select((pl.col("demand_kwh") / recent_level()).alias("r"))["r"].drop_nulls()
    low = ratio.quantile(0.01, interpolation="nearest") if len(ratio) else None
    return 0.0 if low is None else round(min(max(0.3 - low, 0.0), 0.3), 3)


def log_ratio(value: pl.Expr, offset: float) -> pl.Expr:
    """`log(value / level + offset)`, limited; null where value or level is unknown."""
    ratio = (value.clip(lower_bound=0) / recent_level() + offset).clip(lower_bound=math.exp(-RATIO_LIMIT))
    return ratio.log().clip(-RATIO_LIMIT, RATIO_LIMIT)


def from_log_ratio(values: Matrix, level: Matrix, offset: float) -> Matrix:
    """The inverse of `log_ratio`: kWh, never below 0. `level` has the shape of `values` or broadcasts to it."""
    result: Matrix = np.maximum(np.exp(values) - offset, 0.0) * level
    return result


def derived(frame: pl.DataFrame, *, offset: float, meters: Sequence[str] = ()) -> pl.DataFrame:
    """The frame with every column of `feature_names`, as numbers, nulls kept; of profiles if it has them.

    Args:
        frame: columns of `features.feat_demand_day_ahead`, any number of meters, issue times and rows.
        offset: of `ratio_offset`.
        meters: from `told_apart` at training; others have no number.
    """
    year = pl.col("day_of_year") * (2 * math.pi / 365.25)
    hour = pl.col("local_hour") * (2 * math.pi / 24)
    ratios = [log_ratio(pl.col(c), offset).alias(c.removesuffix("_kwh") + "_log_ratio") for c in DEMAND_COLUMNS]
    median = pl.concat_list([pl.col(c) for c in SAME_WEEKDAY_LAGS]).list.drop_nulls().list.median()
    if PROFILE_KWH in frame.columns:
        ratios.append(log_ratio(pl.col(PROFILE_KWH), offset).alias(PROFILE))
    return frame.with_columns(
        *ratios,
        log_ratio(median, offset).alias("demand_same_weekday_median_log_ratio"),
        log_ratio(pl.col("published_demand_kwh"), offset).alias(PUBLISHED),
        pl.col("demand_morning_ratio").clip(0.05, 20.0).log().alias("morning_log_ratio"),
        pl.col("day_type").replace_strict(list(DAY_TYPES), range(4), default=0).alias("day_type_code"),
        pl.col("day_group").replace_strict(list(DAY_GROUPS), range(4), default=0).alias("day_group_code"),
        pl.col("meter_id")
        .replace_strict(list(meters), range(len(meters)), default=None, return_dtype=pl.Int32)
        .alias(METER_CODE),
        year.sin().alias("year_sin_1"),
        year.cos().alias("year_cos_1"),
        (2 * year).sin().alias("year_sin_2"),
        (2 * year).cos().alias("year_cos_2"),
        hour.sin().alias("hour_sin_1"),
        hour.cos().alias("hour_cos_1"),
        (pl.col("temperature_c") - pl.col("temperature_lag_24h_c")).alias("temperature_change_1d_c"),
        (pl.col("temperature_c") - pl.col("temperature_lag_48h_c")).alias("temperature_change_2d_c"),
        (pl.col("temperature_c") - pl.col("temperature_lag_168h_c")).alias("temperature_change_7d_c"),
        (pl.col("temperature_day_mean_c") - pl.col("temperature_last_day_mean_c")).alias(
            "temperature_change_last_day_c"
        ),
        (pl.col("temperature_mean_24h_c") - pl.col("temperature_mean_72h_c")).alias("temperature_change_72h_c"),
    ).with_columns(
        pl.concat_list(pl.col(c.removesuffix("_kwh") + "_log_ratio") for c in SAME_WEEKDAY_LAGS)
        .list.drop_nulls()
        .list.std()
        .alias("demand_same_weekday_spread"),
        (pl.col("demand_lag_7d_log_ratio") - pl.col("demand_lag_14d_log_ratio")).alias("demand_week_change"),
        (pl.col("demand_lag_1d_log_ratio") - pl.col("demand_lag_8d_log_ratio")).alias("demand_week_change_day_before"),
    )


def design_matrix(frame: pl.DataFrame, names: tuple[str, ...], *, offset: float, meters: Sequence[str] = ()) -> Matrix:
    """Rows x `names`, float64 in row-major order; unknown values are NaN.

    Args:
        frame: columns of `features.feat_demand_day_ahead`.
        names: from `feature_names`.
        offset: of `ratio_offset`.
        meters: from `told_apart` at training.
    """
    chosen = derived(frame, offset=offset, meters=meters).select(pl.col(n).cast(pl.Float64) for n in names)
    return np.ascontiguousarray(chosen.fill_null(math.nan).to_numpy())


def place_heating(frame: pl.DataFrame) -> Matrix:
    """Rows x places: how much colder each of a meter's places is than their mean, in degrees that ask for heating.

    Places are in order of their ids, each meter's its own; 0 where a meter has fewer, or one is unknown. No columns
    where no meter has two.
    """
    places = frame.select(pl.col("heating_by_place_c").list.len().max()).item()
    if places is None or places < 2:
        return np.zeros((frame.height, 0))
    apart = (pl.element() - pl.element().mean()).cast(pl.Float64)
    padded = frame.select(
        pl.col("heating_by_place_c").list.eval(apart).list.get(place, null_on_oob=True).fill_null(0.0).alias(str(place))
        for place in range(places)
    )
    return padded.fill_nan(0.0).to_numpy()
