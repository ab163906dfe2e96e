"""How two accounts are linked: a ring they share, and the shortest path over identifiers they share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Annotated

import strawberry

from api.context import Context, Info
from api.describe import resolver
from api.domains.account import Account, account_exists, load_account
from api.domains.common import check_id
from api.domains.identifier import Identifier, load_identifier
from api.domains.order import ORDER_KEYS
from api.domains.ring import Ring, ring_by_id
from api.errors import ApiError, ErrorCode
from api.paths import HUB, Hop, shortest_path

_TELLING = frozenset({"device", "phone", "payment", "door"})
"""Kinds that two accounts seldom share by chance; a name, a network or a whole building they do."""


@strawberry.type(description="One step of a path: two accounts that share an identifier.")
class PathStep:
    """A hop."""

    from_id: strawberry.ID = strawberry.field(description="The account that the step starts from.")
    to_id: strawberry.ID = strawberry.field(description="The account that it leads to.")
    identifier_id: strawberry.ID = strawberry.field(description="The identifier that both used.")
    shared_by: int = strawberry.field(
        description=f"Accounts that share the identifier; counted no further than {HUB + 1}."
    )
    hub: bool = strawberry.field(description="Whether so many share it that it says next to nothing.")

    @resolver("The account that the step starts from.")
    async def source(self, info: Info) -> Account:
        """The first account, batched."""
        return await load_account(info.context, self.from_id)

    @resolver("The account that the step leads to.")
    async def target(self, info: Info) -> Account:
        """The second account, batched."""
        return await load_account(info.context, self.to_id)

    @resolver("The identifier that both used.")
    async def identifier(self, info: Info) -> Identifier | None:
        """The identifier, batched."""
        return await load_identifier(info.context, self.identifier_id)


@strawberry.type(description="How two accounts are linked.")
class Path:
    """An explanation."""

    steps: list[PathStep] = strawberry.field(
        description="The shortest chain of shared identifiers, at most six; empty where none was found."
    )
    exhaustive: bool = strawberry.field(
        description="False where the search ended before all within six steps was seen: an empty chain then "
        "proves nothing."
    )
    ring_id: strawberry.ID | None = strawberry.field(description="A ring of the published run that both belong to.")

    @resolver("The ring that both belong to.")
    def ring(self, info: Info) -> Ring | None:
        """The shared ring."""
        return None if self.ring_id is None else ring_by_id(info.context, self.ring_id)


class _Links:
    """Who used what, read from the store in batches and from the run's evidence."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def weak(self, identifier_id: str) -> bool:
        """Whether an identifier is of a kind that strangers share by chance, and the run made no evidence of it."""
        kind = identifier_id.partition(":")[0]
        return kind not in _TELLING and not self._context.view.evidence_rows("identifier", identifier_id)

    def identifiers(self, buyers: Iterable[str]) -> dict[str, frozenset[str]]:
        """Identifier ids of accounts."""
        context, wanted = self._context, list(buyers)
        keys: dict[str, set[bytes]] = defaultdict(set)
        for row in context.find("orders", "buyer_id", wanted, columns=("order_id", "buyer_id", *ORDER_KEYS)):
            keys[row["buyer_id"]].update(row[column] for column in ORDER_KEYS if row[column] is not None)
        for row in context.find("uses", "buyer_id", wanted, columns=("use_id", "buyer_id", "key")):
            keys[row["buyer_id"]].add(row["key"])
        every = sorted({key for found in keys.values() for key in found})
        ids: dict[bytes, list[str]] = defaultdict(list)
        for row in context.find("identifiers", "key", every, columns=("id", "key")) if every else ():
            ids[row["key"]].append(row["id"])
        found = {buyer: {id_ for key in keys[buyer] for id_ in ids[key]} for buyer in wanted}
        view = context.view
        for buyer in wanted:
            named = (row["identifier"] for row in view.evidence(view.evidence_rows("buyer_id", buyer)))
            found[buyer].update(id_ for id_ in named if id_ is not None)
        return {buyer: frozenset(ids) for buyer, ids in found.items()}

    def accounts(self, ids: Iterable[str]) -> dict[str, frozenset[str]]:
        """Accounts of identifiers; of one that a run called a hub, just enough to be recognised as one."""
        context, view = self._context, self._context.view
        found: dict[str, set[str]] = {id_: set() for id_ in ids}
        by_column: dict[str, dict[bytes, str]] = defaultdict(dict)
        for id_, users in found.items():
            hub = view.hubs.get(id_)
            if hub is not None and hub["buyers"] > HUB:
                users.update(f"\x00{number}" for number in range(HUB + 1))
                continue
            kind, _, key = id_.partition(":")
            column = "address" if kind in ("door", "building", "estate") else kind
            if column in ORDER_KEYS:
                by_column[column][bytes.fromhex(key)] = id_
            rows = view.evidence(view.evidence_rows("identifier", id_))
            users.update(row["buyer_id"] for row in rows)
        for column, keys in sorted(by_column.items()):
            for row in context.find("orders", column, sorted(keys), columns=("order_id", "buyer_id", column)):
                found[keys[row[column]]].add(row["buyer_id"])
            for row in context.find("uses", "key", sorted(keys), columns=("use_id", "buyer_id", "key")):
                found[keys[row["key"]]].add(row["buyer_id"])
        return {id_: frozenset(buyers) for id_, buyers in found.items()}


@strawberry.type
class PathQuery:
    """Root fields about links between accounts."""

    @resolver(
        "The shortest explanation of how two accounts are linked. Identifiers that many share (hubs), "
        "and names, networks and buildings of which the run made no evidence, are not walked through: they are named "
        "only where both accounts used them."
    )
    def path(
        self,
        info: Info,
        a: Annotated[strawberry.ID, strawberry.argument(description="One account's id.")],
        b: Annotated[strawberry.ID, strawberry.argument(description="The other account's id.")],
    ) -> Path:
        """A path between two accounts."""
        context = info.context
        for id_ in (a, b):
            context.saw("account", check_id(id_, "an account's id"))
        for id_ in (a, b):
            if not account_exists(context, id_):
                raise ApiError(ErrorCode.NOT_FOUND, "one of the accounts is not known")
        links = _Links(context)
        found = shortest_path(a, b, identifiers=links.identifiers, accounts=links.accounts, weak=links.weak)
        rings = {row["ring_id"] for row in context.view.memberships_of(a)}
        shared = sorted(rings & {row["ring_id"] for row in context.view.memberships_of(b)})
        for hop in found.hops:
            context.saw("account", hop.start)
            context.saw("account", hop.end)
        return Path(
            steps=[_step(hop) for hop in found.hops],
            exhaustive=found.exhaustive,
            ring_id=strawberry.ID(shared[0]) if shared else None,
        )


def _step(hop: Hop) -> PathStep:
    return PathStep(
        from_id=strawberry.ID(hop.start),
        to_id=strawberry.ID(hop.end),
        identifier_id=strawberry.ID(hop.via),
        shared_by=min(hop.shared_by, HUB + 1),
        hub=hop.shared_by > HUB,
    )
