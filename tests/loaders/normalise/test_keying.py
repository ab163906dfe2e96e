"""Keys: the definition of HMAC, separation of domains, what a keyer reveals, and batches against single values."""

from __future__ import annotations

import hashlib
import hmac
import pickle

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.errors import KeyProblem
from loaders.keying import KINDS, Keyer, address_identifiers

SECRET = "a secret of more than thirty-two bytes, kept apart"


def test_a_key_is_the_hmac_of_namespace_kind_and_canonical_form() -> None:
    message = b"\0\0\0\x04shop\0\0\0\x05phone+8613812345678"
    expected = hmac.new(SECRET.encode(), message, hashlib.sha256).digest()[:16]
    assert Keyer(SECRET, "shop").one("phone", "138 1234 5678").key == expected


def test_a_key_longer_than_a_block_is_hashed_first_as_hmac_demands() -> None:
    long = "x" * 100
    message = b"\0\0\0\x07default\0\0\0\x06deviceabc"
    assert Keyer(long).key("device", "abc") == hmac.new(long.encode(), message, hashlib.sha256).digest()[:16]


def test_kinds_namespaces_and_keys_are_apart() -> None:
    keys = {
        Keyer(SECRET).key("device", "x"),
        Keyer(SECRET).key("payment", "x"),
        Keyer(SECRET, "other").key("device", "x"),
        Keyer(SECRET + "!").key("device", "x"),
        Keyer(SECRET, "defaul").key("tdevice", "x"),
    }
    assert len(keys) == 5


@pytest.mark.parametrize("env", [{}, {"RINGFENCE_KEY": ""}])
def test_a_missing_key_is_a_clear_error(env: dict[str, str]) -> None:
    with pytest.raises(KeyProblem, match="RINGFENCE_KEY is not set"):
        Keyer.from_env(env)


def test_a_short_key_is_refused_without_showing_it() -> None:
    with pytest.raises(KeyProblem, match="31 bytes") as caught:
        Keyer.from_env({"RINGFENCE_KEY": "k" * 31})
    assert "kkkk" not in str(caught.value)


def test_bytes_count_not_characters() -> None:
    assert Keyer("钥" * 11).fingerprint()
    with pytest.raises(KeyProblem):
        Keyer("钥" * 10)


def test_the_fingerprint_tells_keys_apart_and_not_namespaces() -> None:
    assert Keyer(SECRET).fingerprint() == Keyer(SECRET, "other").fingerprint() == Keyer(SECRET.encode()).fingerprint()
    assert Keyer(SECRET).fingerprint() != Keyer(SECRET + "!").fingerprint()


def test_a_keyer_shows_and_holds_no_key() -> None:
    keyer = Keyer(SECRET)
    held = [getattr(keyer, name) for name in Keyer.__slots__]
    assert SECRET not in repr(keyer) + str(keyer) + repr(held)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(keyer)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_gives_what_single_values_give(kind: str) -> None:
    texts = ["138 1234 5678", "10.1.2.3", "杭州市锦绣花园3幢2单元501", "锦绣花园3幢", "张伟", "", "x", "张伟"]
    keyer = Keyer(SECRET)
    found = keyer.identify(kind, pl.Series([*texts, None]))
    assert found["value"].to_list() == list(dict.fromkeys(texts))
    for row in found.iter_rows(named=True):
        single = keyer.one(kind, row["value"])
        assert (row["key"], row["masked"]) == (single.key, single.masked)
        named = {name: row[name] for name in row if name not in {"value", "key", "masked", "level", "has_city"}}
        for name, value in named.items():
            assert value == single.keys.get(name)
    assert found.schema["key"] == pl.Binary


def test_an_ip_has_a_key_of_its_prefix() -> None:
    found = Keyer(SECRET).identify("ip", pl.Series(["10.1.2.3", "10.1.2.4", "10.1.3.4"]))
    first, second, third = found["prefix"].to_list()
    assert first == second != third
    assert found["key"].n_unique() == 3


def test_a_city_less_address_is_keyed_by_its_bare_key() -> None:
    found = Keyer(SECRET).identify("address", pl.Series(["杭州市锦绣花园3幢2单元501", "锦绣花园3-2-501"]))
    assert found["door"].n_unique() == 2
    assert found["bare_door"].n_unique() == 1
    assert found["door"][1] == found["bare_door"][0]
    assert found["has_city"].to_list() == [True, False]
    assert found["level"].to_list() == ["door", "door"]


def test_address_identifiers_have_a_row_for_each_level_and_writing() -> None:
    found = Keyer(SECRET).identify(
        "address", pl.Series(["杭州市锦绣花园3幢2单元501", "杭州锦绣花园3-2-501", "锦绣花园"])
    )
    table = address_identifiers(found)
    assert table.group_by("level", "has_city").len().sort("level", "has_city").rows() == [
        ("building", True, 1),
        ("door", True, 1),
        ("estate", False, 1),
        ("estate", True, 1),
    ]


def test_no_raw_value_is_left_beside_its_key() -> None:
    text = "杭州市锦绣花园3幢2单元501"
    found = Keyer(SECRET).identify("address", pl.Series([text])).drop("value")
    assert text not in str(found.to_dicts())
    assert "锦绣花园" not in str(found.to_dicts())


def test_copied_notes_meet_and_empty_ones_have_no_key() -> None:
    keyer = Keyer(SECRET)
    assert keyer.note_fingerprint("衣服 有洞!") == keyer.note_fingerprint("衣服有洞。")
    assert keyer.note_fingerprint("衣服有洞") != keyer.note_fingerprint("衣服无洞")
    assert keyer.note_fingerprint(" !") is None


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown kind of identifier 'shoe'"):
        Keyer(SECRET).one("shoe", "42")
    with pytest.raises(ValueError, match="unknown kind of identifier 'shoe'"):
        Keyer(SECRET).identify("shoe", pl.Series(["42"]))


@settings(deadline=None)
@given(st.sampled_from(KINDS), st.text(max_size=40))
def test_any_text_is_keyed_or_has_no_key(kind: str, text: str) -> None:
    found = Keyer(SECRET).one(kind, text)
    assert found.key is None or len(found.key) == 16
    assert not text or text not in found.masked
