"""Joins address keys written without a city to the one city that is known to have such an estate.

A writing without a city is stored under its own key. Which city it belongs to depends on all the estates that a
snapshot holds, so
it is settled here, as a pure function of that set: the order in which rows arrived can't matter. An estate known in
several
cities stays apart.
"""

from __future__ import annotations

import polars as pl

LEVELS = ("door", "building", "estate")

SCHEMA: dict[str, type[pl.DataType]] = {
    "key": pl.Binary,  # 16 bytes
    "level": pl.String,  # one of LEVELS
    "has_city": pl.Boolean,
    "bare": pl.Binary,  # the key of the same thing without its city; equal to `key` where has_city is false
    "bare_estate": pl.Binary,  # the `bare` of the estate that the thing lies in
}


def resolve_places(identifiers: pl.DataFrame) -> pl.DataFrame:
    """The canonical key of every address key.

    `identifiers` has the columns of `SCHEMA`, in any row order, rows repeated or not. The result has one row for
    each distinct
    key, sorted by key: `key` and `canonical` (16 bytes each). A key with a city is its own canonical key. A key
    without one maps to the key with a city
    that has the same `bare`, if its estate (by `bare_estate`) is known in exactly one city and that city has such a
    door or building; else to itself.

    Raises ValueError where a column is missing.
    """
    missing = [column for column in SCHEMA if column not in identifiers.columns]
    if missing:
        raise ValueError(f"address identifiers lack the column(s) {', '.join(missing)}: see graph.places.SCHEMA")
    rows = identifiers.select(list(SCHEMA)).unique()
    placed = rows.filter(pl.col("has_city"))
    only = (
        placed.filter(pl.col("level") == "estate")
        .group_by("bare")
        .agg(pl.col("key").n_unique().alias("cities"))
        .filter(pl.col("cities") == 1)
        .select(pl.col("bare").alias("bare_estate"))
    )
    targets = (
        placed.join(only, on="bare_estate", how="semi")
        .group_by("level", "bare")
        .agg(pl.col("key").min().alias("target"), pl.col("key").n_unique().alias("targets"))
        .filter(pl.col("targets") == 1)
        .select("level", "bare", "target")
    )
    loose = (
        rows.filter(~pl.col("has_city"))
        .join(targets, on=["level", "bare"], how="left")
        .select("key", pl.coalesce("target", "key").alias("canonical"))
    )
    return pl.concat([placed.select("key", pl.col("key").alias("canonical")), loose]).unique().sort("key")
