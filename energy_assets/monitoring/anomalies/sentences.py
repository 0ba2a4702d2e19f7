"""A finding in a sentence, for people.

Belongs here: words. Does not belong here: anything that decides.
"""

from __future__ import annotations

import polars as pl

# {when} is how long and since when, {score} the detector's measure, {against} what was reported and expected.
_SENTENCES = {
    "missing": "No reading for {when}.",
    "duplicate": "Up to {score} readings for the same interval, for {when}.",
    "dst_fold": "The hour at which the clock changes is missing, doubled, halved or filled, {when}{against}.",
    "negative": "Negative demand for {when}, down to -{score} kWh in an hour.",
    "zero_run": "Zero for {when}, at hours that are rarely zero here{against}.",
    "flatline": "The same value for {when}, where such runs are rare{against}.",
    "spike": "A spike of {when}, {score} times the highest usual hour{against}.",
    "dip": "A dip of {when}, {score} times below the lowest usual hour{against}.",
    "level_shift": "Another level for {when}{against}.",
    "unit_scale": "Another unit for {when}: off by a factor of {score}{against}.",
    "meter_reset": "The register jumped or was changed, {when}{against}.",
    "rollover": "The register ran over, {when}{against}.",
    "sentinel": "A number that stands for no value, {when}{against}.",
    "estimated_run": "Estimated, copied or interpolated for {when}{against}.",
    "clock_shift": "Readings at the wrong time for {when}.",
    "night_baseload": "Nights are higher than usual for {when}{against}.",
    "contextual": "Out of character for {when}{against}.",
}
# What a person can do, where a detector knows more than its kind says.
_ADVICE = {
    "file_order": " The file steps back by a day at midnight: its 24:00 stands as 00:00 of the same day; "
    "`repair: [midnight_belongs_to_next_day]` in sources.yaml mends it.",
}


def message() -> pl.Expr:
    """The sentence of an event with hours, start_utc, score, kind, detector, observed_kwh and expected_kwh."""
    observed, expected = number("observed_kwh"), number("expected_kwh")
    known = pl.col("expected_kwh").is_not_null() & pl.col("observed_kwh").is_not_null()
    parts = {
        "{when}": pl.format("{} h from {} UTC", number("hours", 1), pl.col("start_utc").dt.strftime("%Y-%m-%d %H:%M")),
        "{score}": number("score"),
        "{against}": pl.when(known)
        .then(pl.format(": {} kWh where {} kWh were to be expected", observed, expected))
        .otherwise(pl.lit("")),
    }
    text = pl.col("kind").replace_strict(_SENTENCES, return_dtype=pl.String)
    for mark, value in parts.items():
        text = text.str.replace(mark, value, literal=True)
    return text + pl.col("detector").replace_strict(_ADVICE, default="", return_dtype=pl.String)


def number(column: str, decimals: int = 2) -> pl.Expr:
    """A number for people: no trailing zeros, no more digits than matter."""
    text = pl.col(column).round(decimals).cast(pl.String).fill_null("?")
    return text.str.strip_suffix(".0")
