"""Which zone a meter belongs to.

Belongs here: the rule. Does not belong here: what zones are forecast to do.
"""

from __future__ import annotations

import polars as pl

DEPTH = 8  # meters within meters within …: no register goes deeper


def zone_of(meters: pl.DataFrame) -> pl.DataFrame:
    """The zone of each meter that has one: the first zone up the chain of parents, else the only zone of its country.

    Args:
        meters: meter_id, kind, country, parent_meter_id.

    Returns:
        meter_id, zone_id, sorted; zones themselves and machines are left out, and meters of a country with several
        zones whose parents lead to none.

    Example:
        >>> zone_of(pl.DataFrame([("home", "household", "FR", None), ("FR", "zone", "FR", None)], orient="row",
        ...     schema={"meter_id": str, "kind": str, "country": str, "parent_meter_id": str})).rows()
        [('home', 'FR')]
    """
    zones = meters.filter(pl.col("kind") == "zone").select("country", zone_id="meter_id")
    parents = meters.select(above="meter_id", higher="parent_meter_id")
    below = meters.filter(~pl.col("kind").is_in(["zone", "machine"]))
    found = below.select("meter_id", "country", above="parent_meter_id")
    for _ in range(DEPTH):
        arrived = pl.col("above").is_in(zones["zone_id"].implode())
        found = found.join(parents, on="above", how="left", maintain_order="left").select(
            "meter_id", "country", above=pl.when(arrived).then("above").otherwise("higher")
        )
    only = zones.filter(pl.len().over("country") == 1).drop_nulls("country")
    up = pl.when(pl.col("above").is_in(zones["zone_id"].implode())).then("above")
    return (
        found.join(only, on="country", how="left")
        .select("meter_id", zone_id=pl.coalesce(up, "zone_id"))
        .drop_nulls()
        .sort("meter_id")
    )
