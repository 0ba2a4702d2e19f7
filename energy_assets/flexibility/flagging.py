"""Peaks of one issue time from what was known: the ledger, each hour's probability, the windows.

Belongs here: the order of the steps, for issuing peaks and for replaying them over a backtest's forecasts. Does not
belong here: the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from energy_assets.flexibility.highs import drawn_back
from energy_assets.flexibility.incumbents import incumbent_peaks, quarter_hour_ratios
from energy_assets.flexibility.peaks import demand_peaks
from energy_assets.flexibility.probabilities import peak_probabilities
from energy_assets.flexibility.thresholds import season, thresholds


@dataclass(frozen=True)
class Known:
    """What peaks are held against; of all of it only what was known at the issue time is used.

    `meters` and `days` as in `peak_probabilities` and `demand_peaks`, with capacity_kw; `charges` of `demand_charges`;
    `hourly` and `parts` as in `incumbent_peaks`; `history` as in `season`.
    """

    meters: pl.DataFrame
    days: pl.DataFrame
    charges: pl.DataFrame
    hourly: pl.DataFrame
    parts: pl.DataFrame
    history: pl.DataFrame


@dataclass(frozen=True)
class Flagged:
    """Rows of `flexibility.incumbent_peaks`, `.peak_probabilities` and `.demand_peaks`."""

    ledger: pl.DataFrame
    hours: pl.DataFrame
    windows: pl.DataFrame


def flag_peaks(
    known: Known, forecasts: pl.DataFrame, scenarios: pl.DataFrame, issued_at: datetime, seasonal_quantile: float
) -> Flagged:
    """Peaks of one issue time.

    Args:
        known: see `Known`.
        forecasts: rows of `forecasts.demand_forecasts` of the issue, one model per meter.
        scenarios: rows of `forecasts.demand_scenarios` of the issue.
        issued_at: the issue time.
        seasonal_quantile: of the season's hours that is the seasonal threshold.
    """
    ledger = incumbent_peaks(known.hourly, known.parts, known.charges, known.days, issued_at)
    ratios = quarter_hour_ratios(known.parts, issued_at)
    targets = forecasts.group_by("meter_id").agg(target_utc=pl.col("interval_start_utc").min())
    of_season = season(known.history, targets, issued_at)
    held_against = thresholds(known.meters, ledger, known.charges, ratios, of_season, seasonal_quantile)
    seen = drawn_back(forecasts, of_season)
    hours = peak_probabilities(seen, held_against, of_season, known.meters, known.days)
    windows = demand_peaks(hours, seen, scenarios, ratios, known.meters, ledger)
    return Flagged(ledger, hours, windows)
