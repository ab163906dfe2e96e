"""City-less address keys: joined to the only city that has such an estate, apart where several have."""

from __future__ import annotations

import random

import polars as pl
import pytest

from graph.places import SCHEMA, resolve_places
from loaders.keying import Keyer, address_identifiers

KEYER = Keyer("a secret of more than thirty-two bytes, kept apart")


def canonical_doors(texts: list[str], asked: list[str]) -> list[bytes]:
    """The canonical door key of each asked text among all texts."""
    mapping = dict(resolve_places(address_identifiers(KEYER.identify("address", pl.Series(texts)))).iter_rows())
    return [mapping[KEYER.one("address", text).keys["door"]] for text in asked]


def test_a_writing_without_city_joins_the_only_city_known() -> None:
    texts = ["杭州市锦绣花园3幢2单元501", "锦绣花园3-2-501", "宁波市阳光花园3幢2单元501"]
    first, second, other = canonical_doors(texts, texts)
    assert first == second != other


def test_a_writing_without_city_stays_apart_where_two_cities_have_the_estate() -> None:
    texts = ["杭州市锦绣花园3幢2单元501", "锦绣花园3-2-501", "宁波市锦绣花园1幢1单元101"]
    first, second, _ = canonical_doors(texts, texts)
    assert first != second


def test_a_door_that_the_city_has_not_seen_keeps_its_own_key() -> None:
    texts = ["杭州市锦绣花园3幢2单元501", "锦绣花园3-2-502", "锦绣花园3幢2单元502"]
    _, second, third = canonical_doors(texts, texts)
    assert second == third == KEYER.one("address", texts[1]).keys["door"]


def test_building_and_estate_are_resolved_too() -> None:
    texts = ["杭州市锦绣花园3幢2单元501", "锦绣花园3幢"]
    mapping = dict(resolve_places(address_identifiers(KEYER.identify("address", pl.Series(texts)))).iter_rows())
    city, bare = (KEYER.one("address", text).keys for text in texts)
    assert mapping[bare["building"]] == city["building"]
    assert mapping[bare["estate"]] == city["estate"]


def test_row_order_and_repetition_change_nothing() -> None:
    texts = [
        f"{city}阳光花园{number}幢1单元{room}" for city in ("杭州", "") for number in (1, 2) for room in (101, 102)
    ]
    table = address_identifiers(KEYER.identify("address", pl.Series([*texts, "宁波锦绣花园3幢", "锦绣花园3幢"])))
    expected = resolve_places(table)
    rows = table.rows() * 2
    random.Random(3).shuffle(rows)
    shuffled = pl.DataFrame(rows, schema=table.schema, orient="row")
    assert resolve_places(shuffled).equals(expected)
    assert expected["key"].n_unique() == expected.height


def test_no_rows_give_no_rows() -> None:
    assert resolve_places(pl.DataFrame(schema=SCHEMA)).height == 0


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ValueError, match="bare_estate"):
        resolve_places(pl.DataFrame(schema=SCHEMA).drop("bare_estate"))
