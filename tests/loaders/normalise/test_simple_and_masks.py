"""IP addresses, opaque values, and the masked forms of all kinds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.normalise.ip import canonical_ip, ip_prefix
from loaders.normalise.masks import mask
from loaders.normalise.simple import SIMPLE, canonical


@pytest.mark.parametrize(
    ("text", "expected", "prefix"),
    [
        ("10.1.2.3", "10.1.2.3", "10.1.2.0/24"),
        (" 10.1.2.3 ", "10.1.2.3", "10.1.2.0/24"),
        ("10.1.2.3:8080", "10.1.2.3", "10.1.2.0/24"),
        ("::ffff:10.1.2.3", "10.1.2.3", "10.1.2.0/24"),
        ("2001:0DB8:0001::0001", "2001:db8:1::1", "2001:db8:1::/48"),
        ("[2001:db8:1::1]:443", "2001:db8:1::1", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::1", "fe80::/48"),
    ],
)
def test_an_ip_address_has_one_form_and_a_prefix(text: str, expected: str, prefix: str) -> None:
    assert canonical_ip(text) == expected
    assert ip_prefix(expected) == prefix


@pytest.mark.parametrize("text", ["", "10.1.2", "10.1.2.256", "10.1.2.3.4", "x", "2001:::1"])
def test_what_is_no_ip_address_has_no_canonical_form(text: str) -> None:
    assert canonical_ip(text) is None


def test_the_prefix_of_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="canonical IP address"):
        ip_prefix("x")


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("parcel", " sf 1234-5678 ", "SF12345678"),
        ("parcel", "ｓｆ１２３", "SF123"),
        ("device", " aB-c ", "aB-c"),
        ("payment", "6222 0200 1234 5678", "6222020012345678"),
        ("payment", "tok_Ab", "tok_Ab"),
        ("device", "  ", None),
    ],
)
def test_opaque_values_are_trimmed_and_folded(kind: str, text: str, expected: str | None) -> None:
    assert canonical(kind, text) == expected


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown kind of identifier 'shoe'"):
        canonical("shoe", "42")


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        ("phone", "13812345678", "138******78"),
        ("phone", "17012345678转1234", "170******78转*"),
        ("recipient", "张伟", "张*"),
        ("recipient", "John Smith", "J*"),
        ("address", "浙江省杭州市西湖区锦绣花园3幢2单元501", "杭州锦***"),
        ("ip", "10.1.2.3", "10.1.*.*"),
        ("ip", "2001:db8:1::1", "2001:db8:*"),
        ("device", "0123456789abcdef", "****cdef"),
        ("device", "12345678", "****78"),
        ("device", "1234", "***"),
        ("payment", "6222 0200 1234 5678", "****5678"),
        ("recipient", "张*", "***"),
        ("shoe", "42", "***"),
    ],
)
def test_a_mask_shows_as_much_as_its_kind_allows(kind: str, text: str, shown: str) -> None:
    assert mask(kind, text) == shown


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*SIMPLE, "address", "shoe"]), st.text(min_size=1, max_size=30))
def test_no_mask_contains_the_raw_value(kind: str, text: str) -> None:
    assert text not in mask(kind, text)


@settings(deadline=None)
@given(st.sampled_from(sorted(SIMPLE)), st.text(max_size=30))
def test_canonical_forms_are_stable(kind: str, text: str) -> None:
    found = canonical(kind, text)
    assert found is None or canonical(kind, found) == found
