"""Commands that look one thing up, or list many, as the API shows them: an order, a claim, a ring, an identifier …"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import typer

from cli.acting import By
from cli.asking import asking, page
from cli.common import AsJson, Namespace, StoreUrl, answer, table
from cli.language import In, Speaks
from graph.errors import NotFound

look = typer.Typer(
    help="Look up an order, a claim, a store, an identifier, a path; list accounts, rings, evidence. As in the API, "
    "the audit journal says who looked at whom.",
    no_args_is_help=True,
)

First = Annotated[int, typer.Option(min=1, max=100, help="At most so many.")]
After = Annotated[str | None, typer.Option(help="Go on behind this: `next` of the page before.")]
_MONEY = "{ amount currency }"
_PAGE = "totalCount pageInfo { hasNextPage endCursor }"
_ORDER = f"""query($id: ID!) {{ order(id: $id) {{ id placedAt amount {_MONEY} quantity sku signedAt buyerId storeId
  items(first: 100) {{ {_PAGE} edges {{ node {{ sku quantity amount {_MONEY} }} }} }}
  identifiers(first: 100) {{ {_PAGE} edges {{ node {{ id kind masked }} }} }}
  refunds(first: 100) {{ {_PAGE} edges {{ node {{ id requestedAt kind amount {_MONEY} outcome }} }} }} }} }}"""
_REFUND = f"""query($id: ID!) {{ refund(id: $id) {{ id orderId requestedAt kind reason amount {_MONEY} initiatedBy
  freightCovered pictures shippedWeightG returnWeightG outcome outcomeAt order {{ buyerId storeId }}
  parcel {{ id masked }}
  complaints(first: 100) {{ {_PAGE} edges {{ node {{ id filedAt type outcome outcomeAt }} }} }} }} }}"""
_STORE = """query($id: ID!) { store(id: $id) { id category experienceScore openedAt freightCover
  entitlements { score atLeast granted since until why policyVersion nextBand { atLeast since gained } } } }"""
_IDENTIFIER = f"""query($kind: RawKind!, $value: String!, $first: Int!, $after: String) {{
  identifier(kind: $kind, value: $value) {{ id kind masked within {{ id kind masked }}
    hub {{ buyers claims expectedClaims nats verdict text }}
    users(first: $first, after: $after) {{ {_PAGE} edges {{ node {{ accountId orders firstAt lastAt }} }} }} }} }}"""
_PATH = """query($a: ID!, $b: ID!) { path(a: $a, b: $b) { exhaustive ringId
  steps { fromId toId identifierId sharedBy hub } } }"""
_ACCOUNTS = f"""query($filter: AccountFilter, $sort: AccountSort, $first: Int!, $after: String) {{
  accounts(filter: $filter, sort: $sort, first: $first, after: $after) {{ {_PAGE} edges {{ node {{
    id status risk claims expectedClaims orderCount ring {{ id }} expiresAt }} }} }} }}"""
_RINGS = f"""query($filter: RingFilter, $sort: RingSort, $first: Int!, $after: String) {{
  rings(filter: $filter, sort: $sort, first: $first, after: $after) {{ {_PAGE} edges {{ node {{
    id confidence qValue memberCount amount {_MONEY} firstAt lastAt }} }} }} }}"""
_EVIDENCE = f"""query($filter: EvidenceFilter, $first: Int!, $after: String, $in: Language!) {{
  evidence(filter: $filter, first: $first, after: $after) {{ {_PAGE} edges {{ node {{
    id kind nats buyerId ringId sourceTable sourceId text(language: $in) }} }} }} }}"""


class Raw(Enum):
    """Kinds of raw value."""

    DEVICE = "device"
    IP = "ip"
    PAYMENT = "payment"
    PHONE = "phone"
    RECIPIENT = "recipient"
    ADDRESS = "address"
    PARCEL = "parcel"


class Status(Enum):
    """Statuses of accounts."""

    CLEAR = "CLEAR"
    WATCH = "WATCH"
    STORE_LIMITED = "STORE_LIMITED"
    PLATFORM_LIMITED = "PLATFORM_LIMITED"


class AccountsBy(Enum):
    """Sort keys of accounts."""

    RISK = "RISK"
    CLAIMED = "CLAIMED"
    CLAIMS = "CLAIMS"
    ID = "ID"


class RingsBy(Enum):
    """Sort keys of rings."""

    CONFIDENCE = "CONFIDENCE"
    AMOUNT = "AMOUNT"
    MEMBERS = "MEMBERS"
    LAST_AT = "LAST_AT"
    ID = "ID"


@look.command("order")
def look_order(
    order: Annotated[str, typer.Argument(help="Its id.")],
    by: By = "",
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Show one order: items, the identifiers it was placed with, the claims on it."""
    _one(_ORDER, "order", order, ("items", "identifiers", "refunds"), by, store, namespace, as_json)


@look.command("refund")
def look_refund(
    refund: Annotated[str, typer.Argument(help="Its id.")],
    by: By = "",
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Show one claim: what it asks, of which order, its parcel, and the complaints about it as they stand."""
    _one(_REFUND, "refund", refund, ("complaints",), by, store, namespace, as_json)


@look.command("store")
def look_store(
    store_id: Annotated[str, typer.Argument(metavar="STORE", help="Its id.")],
    by: By = "",
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Show one store: what it sells, its score, and what that entitles it to now."""
    _one(_STORE, "store", store_id, (), by, store, namespace, as_json)


@look.command("identifier")
def look_identifier(
    kind: Annotated[Raw, typer.Argument(help="What the value is.")],
    value: Annotated[str, typer.Argument(help="As a person writes it; - reads it from standard input.")],
    first: First = 20,
    after: After = None,
    by: By = "",
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Show who used a device, phone, address … The value is keyed at once and kept nowhere; needs RINGFENCE_KEY."""
    text = typer.get_text_stream("stdin").read().strip() if value == "-" else value
    with asking(store, namespace, by=by) as ask:
        found = ask.data(_IDENTIFIER, kind=kind.name, value=text, first=first, after=after)["identifier"]
    if found is None:
        raise NotFound(f"nothing loaded came with this {kind.value}", where="the store", do="check how it is written")
    found["users"] = page(found["users"])
    answer(found, as_json, lambda: _print_one(found))


@look.command("path")
def look_path(
    a: Annotated[str, typer.Argument(metavar="ACCOUNT", help="One account.")],
    b: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The other.")],
    by: By = "",
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Show the shortest chain of shared identifiers between two accounts, and a ring that both belong to."""
    with asking(store, namespace, by=by) as ask:
        found = ask.data(_PATH, a=a, b=b)["path"]
    answer(found, as_json, lambda: _print_one(found))


@look.command("accounts")
def look_accounts(
    status: Annotated[list[Status] | None, typer.Option(help="Of this status; may be repeated.")] = None,
    risk_at_least: Annotated[float | None, typer.Option(help="Of this risk or more.")] = None,
    ring: Annotated[str | None, typer.Option(help="Of this ring.")] = None,
    claims_at_least: Annotated[int | None, typer.Option(help="With so many claims or more.")] = None,
    sort: Annotated[AccountsBy, typer.Option(help="The largest first by this.")] = AccountsBy.RISK,
    first: First = 20,
    after: After = None,
    by: By = "",
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """List accounts of the published run."""
    wanted = {
        "status": [one.value for one in status] if status else None,
        "riskAtLeast": risk_at_least,
        "ringId": ring,
        "claimsAtLeast": claims_at_least,
    }
    variables = {"filter": _given(wanted), "sort": {"by": sort.value}, "first": first, "after": after}
    columns = ("id", "status", "risk", "claims", "expected_claims", "expires_at")
    _many(_ACCOUNTS, "accounts", variables, columns, by, store, namespace, as_json)


@look.command("rings")
def look_rings(
    store_id: Annotated[str | None, typer.Option(help="That claimed at this store.")] = None,
    account: Annotated[str | None, typer.Option(help="That this account is a member of.")] = None,
    confidence_at_least: Annotated[float | None, typer.Option(help="Of this confidence or more.")] = None,
    members_at_least: Annotated[int | None, typer.Option(help="With so many members or more.")] = None,
    sort: Annotated[RingsBy, typer.Option(help="The largest first by this.")] = RingsBy.CONFIDENCE,
    first: First = 20,
    after: After = None,
    by: By = "",
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """List rings of the published run."""
    wanted = {
        "storeId": store_id,
        "buyerId": account,
        "confidenceAtLeast": confidence_at_least,
        "membersAtLeast": members_at_least,
    }
    variables = {"filter": _given(wanted), "sort": {"by": sort.value}, "first": first, "after": after}
    columns = ("id", "confidence", "member_count", "amount", "first_at", "last_at")
    _many(_RINGS, "rings", variables, columns, by, store, namespace, as_json)


@look.command("evidence")
def look_evidence(
    account: Annotated[str | None, typer.Option(help="That speaks of this account.")] = None,
    ring: Annotated[str | None, typer.Option(help="That supports this ring.")] = None,
    kind: Annotated[str | None, typer.Option(help="From the detector of this name.")] = None,
    nats_at_least: Annotated[float | None, typer.Option(help="Of this weight or more.")] = None,
    first: First = 20,
    after: After = None,
    language: In = Speaks.EN,
    by: By = "",
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """List evidence of the published run, strongest first."""
    wanted = {"buyerId": account, "ringId": ring, "kind": kind, "natsAtLeast": nats_at_least}
    variables = {"filter": _given(wanted), "first": first, "after": after, "in": language.name}
    columns = ("kind", "nats", "buyer_id", "ring_id", "source_id", "text")
    _many(_EVIDENCE, "evidence", variables, columns, by, store, namespace, as_json)


def _given(wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value is not None}


def _one(
    query: str, what: str, id_: str, lists: tuple[str, ...], by: str, store: str, namespace: str, as_json: bool
) -> None:
    with asking(store, namespace, by=by) as ask:
        found = ask.data(query, id=id_)[what]
    if found is None:
        raise NotFound(f"no {what} {id_!r}", where="the store", do="check the id; load newer data")
    found |= {name: page(found[name]) for name in lists}
    answer(found, as_json, lambda: _print_one(found))


def _many(
    query: str,
    what: str,
    variables: dict[str, Any],
    columns: tuple[str, ...],
    by: str,
    store: str,
    namespace: str,
    as_json: bool,
) -> None:
    with asking(store, namespace, by=by) as ask:
        found = page(ask.data(query, **variables)[what])
    answer(found, as_json, lambda: _print_many(found, columns))


def _print_many(found: dict[str, Any], columns: tuple[str, ...]) -> None:
    table(*columns, rows=[tuple(_cell(one[name]) for name in columns) for one in found["items"]])
    if found["next"] is not None:
        typer.echo(f"{len(found['items']):,} of {found['total']:,}; more with --after {found['next']}")


def _print_one(found: dict[str, Any]) -> None:
    """All of an answer: single values, then each list as a table of its own."""
    lists: list[tuple[str, list[dict[str, Any]]]] = []

    def rows(prefix: str, value: dict[str, Any]) -> list[tuple[object, ...]]:
        told: list[tuple[object, ...]] = []
        for name, one in value.items():
            if isinstance(one, dict) and "items" in one:
                lists.append((prefix + name, one["items"]))
            elif isinstance(one, list) and one and isinstance(one[0], dict):
                lists.append((prefix + name, one))
            elif isinstance(one, dict) and one.keys() != {"amount", "currency"}:
                told += rows(f"{prefix}{name} ", one)
            else:
                told.append((prefix + name, _cell(one)))
        return told

    table("", "", rows=rows("", found))
    for name, items in lists:
        if items:
            columns = tuple(items[0])
            table(*columns, rows=[tuple(_cell(one[column]) for column in columns) for one in items], title=name)


def _cell(value: Any) -> object:
    if isinstance(value, dict):
        return " ".join(str(one) for one in value.values())
    return ", ".join(map(str, value)) if isinstance(value, list) else value
