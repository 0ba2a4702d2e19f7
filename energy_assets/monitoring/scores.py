"""Scores of issued forecasts as actuals arrive: rows of `monitoring.forecast_scores`.

Belongs here: which intervals are scored together and what they are compared with. The formulae are those of
`energy_assets.metrics`. Does not belong here: backtests, which score what was never issued.
"""

from __future__ import annotations

import polars as pl

from energy_assets.contracts import table
from energy_assets.metrics import lead_bucket, peak_errors, point_errors, quantile_errors, skill

BASELINE = "seasonal_naive"
ALL = "all"

_INTERVAL = ["meter_id", "issued_at_utc", "model_version", "interval_start_utc"]
_GROUP = ["meter_id", "issued_at_utc", "model_version", "lead_bucket"]


def score_forecasts(
    forecasts: pl.DataFrame,
    actuals: pl.DataFrame,
    naive: pl.DataFrame,
    issue_basis: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Metrics per meter, issue, model and lead bucket, and for the whole day (`all`), against the seasonal naive.

    Only intervals with an actual count; nothing is scored before something came true, and a day that is half in is
    scored on that half (`n` says so) until the next run replaces the row. Of several revisions the last one counts.
    Point metrics take the median. The baseline's pinball loss is that of a point: its value stands for every quantile.
    `baseline_value` and `skill` are null where the baseline misses any of the scored intervals, and for metrics it does
    not have. `peak_error` and `peak_hour_hit` exist for the whole day only, and are null while it is not.

    Args:
        forecasts: rows of `forecasts.demand_forecasts` (meter_id, issued_at_utc, model_version, interval_start_utc,
            quantile, lead_minutes, demand_kwh; revision if there are several).
        actuals: meter_id, interval_start_utc, local_date, demand_kwh; only values that may judge a forecast.
        naive: meter_id, interval_start_utc, demand_kwh, and issued_at_utc where the baseline depends on it.
        issue_basis: meter_id, issued_at_utc, issue_basis (reported, assumed, none), one row or one per interval;
            `none` where absent.

    Returns:
        Rows of `monitoring.forecast_scores`, sorted by key.
    """
    contract = table("monitoring.forecast_scores")
    scored = _scored_quantiles(forecasts, actuals, naive)
    if scored.is_empty():
        return contract.empty()
    points = scored.filter((pl.col("quantile") - 0.5).abs() < 1e-9)
    day = points.filter(pl.col("lead_bucket") == ALL)
    ours = pl.concat([point_errors(points, _GROUP), quantile_errors(scored, _GROUP), peak_errors(day, _GROUP)])
    theirs = pl.concat(
        [
            point_errors(points, _GROUP, predicted="naive_kwh"),
            quantile_errors(scored, _GROUP, predicted="naive_kwh").filter(pl.col("metric") == "pinball"),
            peak_errors(day, _GROUP, predicted="naive_kwh"),
        ]
    ).select(*_GROUP, "metric", baseline_value="value", baseline_n="n")
    dates = points.group_by(["meter_id", "issued_at_utc"]).agg(local_date=pl.col("local_date").min())
    result = (
        ours.join(theirs, on=[*_GROUP, "metric"], how="left")
        .with_columns(baseline_value=pl.when(pl.col("baseline_n") == pl.col("n")).then(pl.col("baseline_value")))
        .with_columns(
            skill=skill(pl.col("metric"), pl.col("value"), pl.col("baseline_value")),
            baseline_name=pl.lit(BASELINE),
        )
        .drop("baseline_n")
        .join(dates, on=["meter_id", "issued_at_utc"])
    )
    if issue_basis is None:
        result = result.with_columns(issue_basis=pl.lit("none"))
    else:
        said = pl.col("issue_basis")  # one assumed hour makes the whole issue's basis an assumption
        basis = issue_basis.group_by("meter_id", "issued_at_utc").agg(
            issue_basis=pl.when((said == "assumed").any())
            .then(pl.lit("assumed"))
            .when((said == "reported").any())
            .then(pl.lit("reported"))
        )
        result = result.join(basis, on=["meter_id", "issued_at_utc"], how="left").with_columns(
            pl.col("issue_basis").fill_null("none")
        )
    return contract.conform(result).sort(contract.key)


def _scored_quantiles(forecasts: pl.DataFrame, actuals: pl.DataFrame, naive: pl.DataFrame) -> pl.DataFrame:
    """Every quantile beside its actual and baseline, twice: in its lead bucket and in `all`."""
    if "revision" in forecasts.columns:
        forecasts = forecasts.filter(pl.col("revision") == pl.col("revision").max().over([*_INTERVAL, "quantile"]))
    naive_keys = [c for c in ("meter_id", "issued_at_utc", "interval_start_utc") if c in naive.columns]
    beside = (
        forecasts.select(*_INTERVAL, "quantile", "lead_minutes", predicted_kwh="demand_kwh")
        .join(
            actuals.select("meter_id", "interval_start_utc", "local_date", actual_kwh="demand_kwh").drop_nulls(),
            on=["meter_id", "interval_start_utc"],
        )
        .join(
            naive.select(*naive_keys, naive_kwh="demand_kwh").unique(naive_keys, keep="first", maintain_order=True),
            on=naive_keys,
            how="left",
        )
    )
    return pl.concat(
        [
            beside.with_columns(lead_bucket=lead_bucket(pl.col("lead_minutes"))),
            beside.with_columns(lead_bucket=pl.lit(ALL)),
        ]
    )
