"""What is to be done about drift: one row per meter and kind and week, with the reason in a sentence.

Belongs here: the rule from scores, moved inputs and faulty data to a decision. Does not belong here: doing it; a
challenger is made and judged by `forecasting`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from energy_assets.contracts import table
from energy_assets.monitoring.drift.statistics import LEVEL, REFERENCE, SHAPE, SPREAD

DECISIONS = "monitoring.drift_decisions"
DATA_FAULTS = ("missing", "duplicate", "dst_fold", "negative", "zero_run", "flatline", "unit_scale", "meter_reset",
               "rollover", "sentinel", "estimated_run", "clock_shift")  # fmt: skip
LEAST_FAULTY = 0.1  # of a window's hours: fewer faulty ones move no statistic of a fortnight
LEAST_METERS = 0.5  # of a kind's meters whose data explain its drift
WORDS = {LEVEL: "level", SHAPE: "shape of the day", SPREAD: "scatter"}


def decide(
    weeks: pl.DataFrame,
    explaining: pl.DataFrame,
    demand: pl.DataFrame,
    anomalies: pl.DataFrame,
    *,
    issued_at: datetime,
) -> pl.DataFrame:
    """The decision on the newest week of every meter and kind.

    - `investigate`: raised, and the data explain it (a tenth of the window's hours missing or part of a fault of the
      data; of a kind, at half of its meters), or one meter has changed alone while its kind has not.
    - `retrain`: raised otherwise. `watch`: a first week beyond a threshold.
    - `nothing`: the rest, and series whose past is too short to tell.

    Inputs move with every season: they raise nothing, and are told beside what is raised, with their importance.

    Args:
        weeks: `weekly.timeline`; residuals of the reference decide.
        explaining: rows of `monitoring.drift_scores` that explain, of kinds; may be empty.
        demand: meter_id, kind, local_date, interval_start_utc, interval_end_utc, demand_kwh: a row per hour of whole
            weeks, the newest week among them.
        anomalies: meter_id, kind, start_utc, end_utc of events known at `issued_at`.
        issued_at: when it is decided.

    Returns:
        Rows of `monitoring.drift_decisions`, sorted by key.
    """
    contract = table(DECISIONS)
    if demand.is_empty():
        return contract.empty()
    newest = demand["local_date"].dt.truncate("1w").max()
    series = _faulty(demand.filter(pl.col("local_date").dt.truncate("1w") >= newest - timedelta(weeks=1)), anomalies)  # type: ignore[operator]
    found = _found(weeks, newest)
    moved = explaining.filter(pl.col("importance").is_not_null()).group_by(of_kind="meter_id").agg(
        moved_importance=pl.col("importance").filter("drifted").sum() / pl.col("importance").sum(),
        moved_names=pl.col("column_name").filter("drifted").sort().str.join(", "),
    )  # fmt: skip
    rows = series.join(found, on="meter_id", how="left").join(moved, on="of_kind", how="left")
    rows = rows.with_columns(
        pl.col("drifted_methods").fill_null("[]"),
        pl.col("known", "any_drifted", "any_raised").fill_null(value=False),
    )
    kind_raised = pl.col("any_raised").filter(pl.col("meter_id") == pl.col("of_kind")).first().over("of_kind")
    return contract.conform(_decided(rows.with_columns(kind_raised=kind_raised), issued_at)).sort(contract.key)


def _found(weeks: pl.DataFrame, newest: object) -> pl.DataFrame:
    """Per series of the newest week: what is beyond its threshold, and since when what is raised has been."""
    keys = ["meter_id", "column_name", "method"]
    weeks = weeks.filter(pl.col("column_name") == REFERENCE)
    still = pl.col("week") > pl.col("week").filter(~pl.col("drifted")).max().over(keys).fill_null(pl.date(1900, 1, 1))
    since = pl.col("current_start_utc").filter(still).min().over(keys)
    word = pl.col("method").replace_strict(WORDS, return_dtype=pl.String)
    percent = pl.format("{} % (usual: up to {} %)", *_rounded(100, 1))
    size = (
        pl.when(pl.col("method") != SPREAD)
        .then(percent)
        .otherwise(pl.format("{} (usual: up to {}, logarithm)", *_rounded(1, 2)))
    )
    said = pl.format("{} off by {}", word, size)
    named = pl.concat_str("column_name", pl.lit("/"), "method")
    newly = weeks.with_columns(since=since, said=said, named=named).filter(pl.col("week") == newest)
    return newly.sort(keys).group_by("meter_id", maintain_order=True).agg(
        known=pl.col("threshold").is_not_null().any(),
        any_drifted=pl.col("drifted").any(),
        any_raised=pl.col("raised").any(),
        said=pl.col("said").filter("drifted").str.join(", "),
        drifted_methods=pl.concat_str(
            pl.lit('["'), pl.col("named").filter("drifted").str.join('", "'), pl.lit('"]')
        ).first().replace('[""]', "[]"),
        raised_since_utc=pl.col("since").filter("raised").min(),
        largest_excess=(pl.col("score") / pl.col("threshold")).max(),
    )  # fmt: skip


def _rounded(factor: int, digits: int) -> tuple[pl.Expr, pl.Expr]:
    return (pl.col("score") * factor).round(digits), (pl.col("threshold") * factor).round(digits)


def _faulty(window: pl.DataFrame, anomalies: pl.DataFrame) -> pl.DataFrame:
    """Per meter and kind: the window's end, the share of hours without a value, and whether data explain a change."""
    events = anomalies.filter(pl.col("kind").is_in(DATA_FAULTS)).select(
        "meter_id", "start_utc", "end_utc", fault="kind"
    )
    hit = window.select("meter_id", "interval_start_utc", "interval_end_utc").join_where(
        events,
        pl.col("meter_id") == pl.col("meter_id_right"),
        pl.col("interval_start_utc") < pl.col("end_utc"),
        pl.col("interval_end_utc") > pl.col("start_utc"),
    )
    hours = hit.group_by("meter_id", "interval_start_utc").agg(fault=pl.col("fault").sort())
    gap = pl.col("demand_kwh").is_null()
    meters = (
        window.join(hours, on=["meter_id", "interval_start_utc"], how="left")
        .group_by("meter_id", "kind")
        .agg(
            current_end_utc=pl.col("interval_end_utc").max(),
            gap_share=gap.mean(),
            faulty=(gap | pl.col("fault").is_not_null()).mean() >= LEAST_FAULTY,
            faults=pl.col("fault").explode(empty_as_null=True).drop_nulls().unique().sort().str.join(", "),
        )
        .sort("meter_id")  # the means of kinds are sums in this order
        .with_columns(of_kind=pl.concat_str(pl.lit("all:"), "kind"))
    )
    kinds = meters.group_by("kind", "of_kind").agg(
        pl.col("current_end_utc").max(), pl.col("gap_share").mean(), faulty=pl.col("faulty").mean() >= LEAST_METERS,
        faults=pl.lit(""),
    )  # fmt: skip
    return pl.concat([meters, kinds.with_columns(meter_id="of_kind").select(meters.columns)])


def _decided(rows: pl.DataFrame, issued_at: datetime) -> pl.DataFrame:
    raised, whole = pl.col("any_raised"), pl.col("meter_id") == pl.col("of_kind")
    gaps = (100 * pl.col("gap_share")).round(0).cast(pl.Int64)
    two = pl.format("For two weeks in a row or more: {}. ", "said")
    faults = pl.when(pl.col("faults") != "").then(pl.format("; {}", "faults")).otherwise(pl.lit(""))
    data = pl.format("The data explain it: {} % of the hours have no value{}.", gaps, faults)
    weight = (100 * pl.col("moved_importance")).round(0).cast(pl.Int64)
    inputs = pl.format(" Inputs that moved: {} ({} % of the importance looked at).", "moved_names", weight)
    told = pl.when(pl.col("moved_names") != "").then(inputs).otherwise(pl.lit(""))
    cases = [
        (~pl.col("known"), "nothing", pl.lit("Too few weeks of history to tell drift from chance.")),
        (raised & pl.col("faulty"), "investigate", two + data),
        (raised & (whole | pl.col("kind_raised")), "retrain",
         two + pl.lit("A challenger is to learn it; the gate decides.") + told),
        (raised, "investigate", two + pl.lit("Other meters of its kind have not changed.")),
        (pl.col("any_drifted"), "watch", pl.format("For the first week: {}.", "said")),
    ]  # fmt: skip
    decision, because = pl.lit("nothing"), pl.lit("Everything is in the range of its own past.")
    for when, word, sentence in reversed(cases):
        decision = pl.when(when).then(pl.lit(word)).otherwise(decision)
        because = pl.when(when).then(sentence).otherwise(because)
    return rows.select(
        "meter_id", "current_end_utc", "kind", "raised_since_utc", "drifted_methods", "largest_excess", "gap_share",
        "moved_importance", issued_at_utc=pl.lit(issued_at).cast(pl.Datetime("us", "UTC")), decision=decision,
        because=because,
    )  # fmt: skip
