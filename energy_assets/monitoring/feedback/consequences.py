"""What follows from statements about anomalies: what is done to readings, and how sensitive detectors are.

Belongs here: the rules, over frames. Does not belong here: detectors' own decisions, applying decisions (the dbt model
`int_demand_versions` does it).
"""

from __future__ import annotations

import polars as pl

# One false alarm makes a detector a quarter less sensitive for that meter, one confirmation a twentieth more so: a
# confirmed event was found anyway, a rejected one was wrong. Within limits: no number of statements switches it off.
REJECTED, CONFIRMED = 1.25, 1 / 1.05
LEAST, GREATEST = 0.8, 3.0
# What either is so or not has no threshold: a reading is there or it is not, whatever was said about another one.
FACTS = ("missing", "duplicate", "dst_fold", "negative", "sentinel", "meter_reset", "rollover")

_HOUR = ["meter_id", "hour_utc"]
_EVENT = [*_HOUR, "at_utc"]
_STATE = ["action", "value_kwh", "reason"]


def decisions(statements: pl.DataFrame, detectors: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    """The decisions on readings that follow from all statements so far.

    An anomaly that was confirmed is excluded, unless a detector has put it right; a rejected one is included, one with
    a corrected value imputed. The newest word about an hour stands, and it stands before what detectors decide, earlier
    or later. From when a statement is replaced or withdrawn, what stood beside it counts again: another statement, a
    detector's decision, or none. Where nothing would change, nothing is decided.

    Args:
        statements: rows of `raw.feedback`, all versions.
        detectors: rows of `raw.demand_exclusions` that do not follow from statements; only their hours that a statement
            is about matter.
        expected: meter_id, interval_start_utc, expected_kwh per hour: a corrected value over several hours is spread by
            this shape; evenly where it is not known of every hour or is nothing.

    Returns:
        Rows of `raw.demand_exclusions` without load_id, known from the statements' receipt. The same statements give
        the same rows.
    """
    people = _said(statements, expected)
    machine = _by_hour(
        detectors.select("meter_id", "start_utc", "end_utc", "action", "value_kwh", "reason", at_utc="decided_at_utc")
    ).join(people.select(_HOUR).unique(), on=_HOUR, how="semi")
    events = pl.concat(
        [
            people.select(_EVENT),
            people.filter(pl.col("until_utc").is_not_null()).select(*_HOUR, at_utc="until_utc"),
            machine.select(_EVENT),
        ]
    ).unique()
    held = _newest(events, people.filter(pl.col("at_utc").is_not_null()), "held")
    decided = _newest(events, machine.with_columns(until_utc=None, order="at_utc"), "decided")
    states = (
        events.join(held, on=_EVENT, how="left")
        .join(decided, on=_EVENT, how="left")
        # Who confirms an event that a detector has put right agrees with that, too.
        .with_columns(agrees=(pl.col("held_action") == "exclude") & (pl.col("decided_action") == "impute"))
        .with_columns(of_people=pl.col("held_action").is_not_null() & ~pl.col("agrees").fill_null(value=False))
        .with_columns(
            action=pl.when("of_people").then("held_action").otherwise(pl.coalesce("decided_action", pl.lit("none"))),
            value_kwh=pl.when("of_people").then("held_value_kwh").otherwise("decided_value_kwh"),
            reason=pl.when("of_people")
            .then("held_reason")
            .otherwise(pl.coalesce("decided_reason", pl.lit("feedback taken back"))),
            by_machine=pl.col("decided_at_utc") == pl.col("at_utc"),
        )
        .sort(_EVENT)
    )
    # What the table says at each event if nothing is added: a detector's new word, else what stood before.
    spoke = pl.col("by_machine").fill_null(value=False)
    before = {
        name: pl.when(spoke).then(f"decided_{name}").otherwise(pl.col(name).shift(1).over(_HOUR))
        for name in ("action", "value_kwh")
    }
    same = (_effect(pl.col("action")) == _effect(before["action"].fill_null("none"))) & pl.col("value_kwh").eq_missing(
        before["value_kwh"]
    )
    return _stretches(
        states.filter(~same).with_columns(
            decided_at_utc=pl.when(spoke).then(pl.col("at_utc") + pl.duration(microseconds=1)).otherwise("at_utc")
        )
    )


def sensitivities(standing: pl.DataFrame, anomalies: pl.DataFrame) -> pl.DataFrame:
    """By how much the threshold of each detector is moved for each meter.

    Args:
        standing: statements that stand at the issue time.
        anomalies: anomaly_id, kind.

    Returns:
        meter_id, kind, factor (above 1: less sensitive, between 0.8 and 3), only where it is not 1; sorted. Kinds that
        are facts have none.
    """
    return (
        standing.filter((pl.col("target_type") == "anomaly") & pl.col("use_for_training"))
        .unique("target_id", keep="last", maintain_order=True)
        .join(anomalies.select(target_id="anomaly_id", kind="kind"), on="target_id")
        .with_columns(
            step=pl.col("verdict").replace_strict(
                {"incorrect": REJECTED, "correct": CONFIRMED}, default=1.0, return_dtype=pl.Float64
            )
        )
        .group_by("meter_id", "kind")
        .agg(factor=pl.col("step").log().sum().exp().clip(LEAST, GREATEST))
        .filter(~pl.col("kind").is_in(FACTS))
        .filter((pl.col("factor") - 1).abs() > 1e-9)
        .sort("meter_id", "kind")
    )


def _effect(action: pl.Expr) -> pl.Expr:
    """What is quarantined is left out like what is excluded."""
    return action.replace({"quarantine": "exclude"})


def _said(statements: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    """Hours of the statements with an effect: from when to when it holds, and what it is."""
    verdict, corrected = pl.col("verdict"), pl.col("corrected_kwh").is_not_null()
    replaced = statements.filter(pl.col("supersedes_id").is_not_null()).select(
        feedback_id="supersedes_id", until_utc="known_at_utc"
    )
    hours = _by_hour(
        statements.filter(
            (pl.col("target_type") == "anomaly") & pl.col("use_for_training") & verdict.is_in(["correct", "incorrect"])
        )
        .sort("known_at_utc", "given_at_utc", "feedback_id")
        .join(replaced, on="feedback_id", how="left")
        .select(
            "feedback_id", "meter_id", "corrected_kwh", "until_utc",
            start_utc="interval_start_utc", end_utc="interval_end_utc", at_utc="known_at_utc",
            order=pl.int_range(pl.len()),
            action=pl.when(verdict == "incorrect").then(pl.lit("include"))
            .when(corrected).then(pl.lit("impute")).otherwise(pl.lit("exclude")),
            reason=pl.format(
                "feedback {}: {}", "feedback_id",
                pl.when(verdict == "incorrect").then(pl.lit("anomaly rejected"))
                .when(corrected).then(pl.lit("value corrected")).otherwise(pl.lit("anomaly confirmed")),
            ),
        )
    )  # fmt: skip
    shape = pl.col("expected_kwh").clip(lower_bound=0)
    known = (shape.count() == pl.len()).over("feedback_id") & (shape.sum().over("feedback_id") > 0)
    share = pl.when(known).then(shape / shape.sum().over("feedback_id")).otherwise(1 / pl.len().over("feedback_id"))
    return hours.join(
        expected.rename({"interval_start_utc": "hour_utc"}), on=_HOUR, how="left", maintain_order="left"
    ).with_columns(value_kwh=(pl.col("corrected_kwh") * share).round(6))


def _by_hour(stretches: pl.DataFrame) -> pl.DataFrame:
    """A row per hour (UTC) that a stretch touches, with `hour_utc` for its ends."""
    last = pl.col("end_utc") - pl.duration(microseconds=1)
    return (
        stretches.filter(pl.col("end_utc") > pl.col("start_utc"))
        .with_columns(hour_utc=pl.datetime_ranges(pl.col("start_utc").dt.truncate("1h"), last, "1h"))
        .explode("hour_utc", empty_as_null=True)
        .drop("start_utc", "end_utc")
    )


def _newest(events: pl.DataFrame, states: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """At each event the newest state that holds then, its columns with a prefix; events without one are left out."""
    return (
        events.join(states.rename({"at_utc": "since_utc"}), on=_HOUR)
        .filter(
            (pl.col("since_utc") <= pl.col("at_utc"))
            & (pl.col("until_utc").is_null() | (pl.col("until_utc") > pl.col("at_utc")))
        )
        .sort(*_EVENT, "order")
        .unique(_EVENT, keep="last", maintain_order=True)
        .select(
            *_EVENT, *(pl.col(c).alias(f"{prefix}_{c}") for c in _STATE), pl.col("since_utc").alias(f"{prefix}_at_utc")
        )
    )


def _stretches(hours: pl.DataFrame) -> pl.DataFrame:
    """Hours after each other with the same decision as one row."""
    alike = ["meter_id", "decided_at_utc", *_STATE]
    gap = (pl.col("hour_utc").diff() != pl.duration(hours=1)).fill_null(value=False)
    return (
        hours.sort(*alike, "hour_utc")
        .with_columns(stretch=gap.cum_sum().over(alike))
        .group_by([*alike, "stretch"], maintain_order=True)
        .agg(start_utc=pl.col("hour_utc").min(), end_utc=pl.col("hour_utc").max() + pl.duration(hours=1))
        .select("meter_id", "start_utc", "end_utc", "decided_at_utc", "action", "value_kwh", "reason")
        .sort("meter_id", "start_utc", "decided_at_utc")
    )
