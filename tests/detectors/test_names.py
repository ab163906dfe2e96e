"""Rings keep their ids from run to run; splits, mergers and ends are told."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.names import KEPT, Known, Lineage, known_rings, name_rings, ring_id
from detectors.tables import lineage_table

NOW = 1_700_000_000_000_000


def ring(name: str, members: str, gone_at: int | None = None) -> Known:
    """A known ring; every letter is a member."""
    return Known(name, frozenset(members), gone_at)


def named(groups: Sequence[str], *former: Known) -> tuple[list[str], dict[str, Lineage]]:
    names, lineage = name_rings(list(groups), former, NOW)
    return names, {one.ring_id: one for one in lineage}


def test_a_first_run_names_rings_after_their_members() -> None:
    names, lineage = named(["abc", "def"])
    assert names == [ring_id("abc"), ring_id("def")]
    assert {one.state for one in lineage.values()} == {"new"}


def test_a_ring_keeps_its_id_while_most_of_its_members_stay() -> None:
    names, lineage = named(["abcxyz"], ring("ring-1", "abcd"))
    assert names == ["ring-1"]
    assert lineage["ring-1"].state == "continues"
    assert named(["axyz"], ring("ring-1", "abcd"))[0] == [ring_id("axyz")]


def test_the_larger_part_of_a_split_keeps_the_id_and_the_other_says_where_it_comes_from() -> None:
    names, lineage = named(["fgh", "abcde"], ring("ring-1", "abcdefgh"))
    assert names == [ring_id("fgh"), "ring-1"]
    assert (lineage[names[0]].state, lineage[names[0]].splits_from) == ("splits", "ring-1")


def test_a_merger_goes_on_as_the_larger_one_and_names_the_other() -> None:
    names, lineage = named(["abcdefg"], ring("ring-1", "abcd"), ring("ring-2", "efg"))
    assert names == ["ring-1"]
    assert lineage["ring-1"].merges == ("ring-2",)
    assert (lineage["ring-2"].state, lineage["ring-2"].into) == ("merged", "ring-1")


def test_a_ring_that_is_not_found_has_its_id_again_when_it_returns() -> None:
    _, lineage = named([], ring("ring-1", "abcd"))
    gone = lineage["ring-1"]
    assert (gone.state, gone.gone_at, gone.members) == ("dissolved", NOW, ("a", "b", "c", "d"))
    known = known_rings(pa.table({"ring_id": [], "members": []}), lineage_table([gone]))
    assert known == (ring("ring-1", "abcd", NOW),)
    names, told = name_rings(["abcx"], known, NOW + KEPT)
    assert (names, told[0].state) == (["ring-1"], "returns")
    assert name_rings(["abcx"], known, NOW + KEPT + 1)[0] == [ring_id("abcx")]


def test_an_id_is_never_given_to_two_rings() -> None:
    first = ring_id("abc")
    names, _ = named(["abc", "defghi"], ring(first, "defgh"))
    assert names[1] == first
    assert names[0] not in (first, ring_id("defgh"))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=12, max_size=12), st.lists(st.integers(0, 5), min_size=12, max_size=12))
def test_names_depend_on_no_order_and_every_former_ring_is_accounted_for(old: list[int], new: list[int]) -> None:
    former = [
        ring(
            f"ring-{number}", "".join(buyer for buyer, mine in zip("abcdefghijkl", old, strict=True) if mine == number)
        )
        for number in set(old) - {0}
    ]
    groups = [
        "".join(buyer for buyer, mine in zip("abcdefghijkl", new, strict=True) if mine == number)
        for number in set(new) - {0}
    ]
    names, lineage = named(groups, *former)
    assert len(set(names)) == len(names)
    assert set(lineage) == {*names, *(one.ring_id for one in former)}
    shuffled = Random(1).sample(range(len(groups)), len(groups))
    again, told = named([groups[at] for at in shuffled], *reversed(former))
    assert again == [names[at] for at in shuffled]
    assert told == lineage
