"""What relationships stand in the graph that people walk, as data: the reference page is printed from it, and a test
holds it against a real server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from graph.neo4j.model import KIND_LABELS
from graph.schema import BY_NAME

Properties = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Edge:
    """A relationship by the labels at its ends, with its properties and what each means."""

    begin: str
    name: str
    end: str
    doc: str
    properties: Properties = ()


_SHARED: Final[Properties] = (
    ("first", "instant when it was first seen"),
    ("last", "instant when it was last seen"),
    ("orders", "orders that carry it"),
    ("uses", "times it was seen outside orders, absent where it was not"),
)
_COARSER: Final = {"door": ("door", "building", "estate")}
"""An order's address is known at the finest level that its writing gives."""


def _used() -> tuple[Edge, ...]:
    found = []
    for relationship, name, target in BY_NAME["orders"].links:
        if target == "identifiers":
            column = BY_NAME["orders"].column(name)
            for kind in _COARSER.get(column.identifier, (column.identifier,)):
                doc = f"what the buyer's orders carry as `{name}`, or was seen outside orders"
                found.append(Edge("Buyer", relationship, KIND_LABELS[kind], doc, _SHARED))
    return tuple(found)


EXPORTED: Final = (
    Edge("Buyer", "PLACED", "Order", "the buyer of an order"),
    Edge("Order", "AT", "Store", "the store of an order"),
    *_used(),
    Edge("Address", "IN", "Building", "a door's building"),
    Edge("Building", "IN", "Estate", "a building's estate"),
    Edge("Ip", "IN", "IpPrefix", "an IP address's prefix"),
    Edge("Order", "REFUNDED_BY", "Refund", "a claim and its order, once that is known"),
    Edge("Refund", "RETURNED_IN", "Parcel", "the parcel that came back"),
    Edge("Refund", "SHOWS", "Picture", "a picture filed with a claim, by its perceptual hash"),
    Edge("Complaint", "ABOUT", "Refund", "the claim complained of"),
    Edge("PastDecision", "ABOUT", "Buyer", "whom the platform decided about"),
)
"""Of what the platform exported; made when a load has finished."""

FOUND: Final = (
    Edge("Head", "PUBLISHED", "Run", "the run that readers see"),
    Edge("Run", "FOUND", "Ring", "the rings of a run"),
    Edge(
        "Buyer",
        "MEMBER_OF",
        "Ring",
        "a member of a ring",
        (("probability", "that the account acts with the ring"), ("role", "`actor` or `bystander`")),
    ),
    Edge("Finding", "OF", "Buyer", "whom a finding is about"),
    Edge("Decision", "ABOUT", "Buyer", "whom a decision is about"),
    Edge("Evidence", "SPEAKS_OF", "Buyer", "whom evidence speaks of"),
    Edge("Evidence", "SUPPORTS", "Ring", "the ring that evidence speaks for"),
    Edge("Evidence", "NAMES", "Identifier", "what is shared"),
    Edge("Hub", "OF", "Identifier", "what many share"),
)
"""Of a run; made before it is published."""

KEPT: Final = (Edge("Counter", "HOLDS", "Take", "what an allowance has given out"),)
"""The store's own."""

EDGES: Final = (*EXPORTED, *FOUND, *KEPT)
"""All of them."""
