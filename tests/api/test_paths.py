"""The path search against networkx on random graphs, and what hubs do to it."""

from __future__ import annotations

from collections.abc import Iterable

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from api.paths import HUB, Found, shortest_path

edges = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 10)), max_size=40)


def search(pairs: Iterable[tuple[str, str]], a: str, b: str, **more: int) -> Found:
    """The search over (account, identifier) pairs; identifiers that begin with w are weak."""
    ids: dict[str, set[str]] = {}
    users: dict[str, set[str]] = {}
    for account, identifier in pairs:
        ids.setdefault(account, set()).add(identifier)
        users.setdefault(identifier, set()).add(account)
    return shortest_path(
        a,
        b,
        identifiers=lambda wanted: {one: frozenset(ids.get(one, ())) for one in wanted},
        accounts=lambda wanted: {one: frozenset(users.get(one, ())) for one in wanted},
        weak=lambda one: one.startswith("w"),
        **more,
    )


@given(edges, st.integers(0, 12), st.integers(0, 12))
def test_a_path_is_as_short_as_networkx_finds_it_and_every_step_is_an_edge(
    numbers: list[tuple[int, int]], a: int, b: int
) -> None:
    pairs = {(f"b{account}", f"i{identifier}") for account, identifier in numbers}
    graph = nx.Graph(list(pairs))
    graph.add_nodes_from([f"b{a}", f"b{b}"])
    found = search(pairs, f"b{a}", f"b{b}", max_hops=30)
    assert found.exhaustive
    if not nx.has_path(graph, f"b{a}", f"b{b}"):
        assert found.hops == ()
        return
    assert len(found.hops) * 2 == nx.shortest_path_length(graph, f"b{a}", f"b{b}")
    at = f"b{a}"
    for hop in found.hops:
        assert hop.start == at
        assert {(hop.start, hop.via), (hop.end, hop.via)} <= pairs
        assert hop.shared_by == graph.degree(hop.via)
        at = hop.end
    assert at == f"b{b}"


@given(edges)
def test_a_path_does_not_depend_on_the_order_of_anything(numbers: list[tuple[int, int]]) -> None:
    pairs = [(f"b{account}", f"i{identifier}") for account, identifier in numbers]
    assert search(pairs, "b0", "b1") == search(reversed(pairs), "b0", "b1")


def test_hubs_and_weak_identifiers_are_not_walked_through() -> None:
    crowd = [(f"x{number}", "hub") for number in range(HUB)]
    pairs = [("a", "hub"), ("m", "hub"), ("m", "i1"), ("b", "i1"), *crowd]
    assert search(pairs, "a", "b").hops == ()
    pairs = [("a", "w1"), ("m", "w1"), ("m", "i1"), ("b", "i1")]
    assert search(pairs, "a", "b").hops == ()
    assert len(search([(account, one.replace("w", "i2")) for account, one in pairs], "a", "b").hops) == 2


def test_what_both_used_is_named_the_rarest_first_and_the_weak_last() -> None:
    pairs = [("a", "w1"), ("b", "w1"), ("a", "i1"), ("b", "i1"), ("c", "i1")]
    (hop,) = search(pairs, "a", "b").hops
    assert (hop.via, hop.shared_by) == ("i1", 3)
    (hop,) = search([pair for pair in pairs if pair[1] == "w1"], "a", "b").hops
    assert hop.via == "w1"


def test_a_search_beyond_its_budget_says_that_it_proves_nothing() -> None:
    pairs = [(f"b{number}", f"i{number // 2}") for number in range(40)]
    pairs += [(f"b{number}", f"j{(number + 1) // 2}") for number in range(40)]
    assert not search(pairs, "b0", "b39", max_hops=60, budget=3).exhaustive
    assert search(pairs, "b0", "b39", max_hops=3).hops == ()
    assert len(search(pairs, "b0", "b39", max_hops=60).hops) == 39
