"""Commands of the order service: reserve, confirm, release; for scripts, and for a try without a server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.acting import Now, instant
from cli.asking import patient
from cli.common import AsJson, Namespace, PolicyFile, StoreUrl, answer, keyer, opened, ruling_policy
from cli.serving import IdentifierKeyer
from graph.currencies import EXPONENTS
from graph.errors import BadInput
from integrity.checkout import PurchaseRequest
from integrity.checkout_desk import CheckoutDesk
from integrity.instants import to_iso
from integrity.money import to_minor
from integrity.reservations import Reservation, ReservationDesk
from integrity.reservations_till import Till

OrderId = Annotated[str, typer.Argument(metavar="ORDER", help="The order's id.")]
Amount = Annotated[str | None, typer.Option(help="What was paid, as decimal text; it must be what was reserved.")]
Currency = Annotated[str, typer.Option(help="Currency of the amount, ISO 4217.")]


def reserve(
    order: OrderId,
    buyer: Annotated[str, typer.Option(help="Who buys.")],
    store_id: Annotated[str, typer.Option(help="At which store of the marketplace.")],
    amount: Annotated[str, typer.Option(help="What it costs, as decimal text.")],
    currency: Currency = "CNY",
    sku: Annotated[str | None, typer.Option(help="The item.")] = None,
    quantity: Annotated[int, typer.Option(help="Pieces.")] = 1,
    address: Annotated[str | None, typer.Option(help="Where it is sent: keyed at once; needs RINGFENCE_KEY.")] = None,
    device: Annotated[str | None, typer.Option(help="The device that it is bought from: as the address.")] = None,
    now: Now = None,
    policy: PolicyFile = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Reserve a purchase before its order is placed: what it takes of each allowance, all together or nothing."""
    given = [(kind, value) for kind, value in (("address", address), ("device", device)) if value]
    keys = IdentifierKeyer(keyer(namespace, os.environ)) if given else None
    identifiers = [id_ for kind, value in given if keys for id_ in keys.identifier_ids(kind, value)]
    request = PurchaseRequest(
        buyer, store_id, sku, quantity, _minor(amount, currency), currency, order, tuple(identifiers)
    )
    with _desk(store, namespace, policy, judging=True) as desk:
        _tell(desk.reserve(request, now=instant(now)), as_json)


def confirm(
    order: OrderId,
    amount: Amount = None,
    currency: Currency = "CNY",
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Confirm a reservation: the order was placed, and counts until its windows end."""
    expects: dict[str, Any] = {}
    if amount is not None:
        expects = {"amount": _minor(amount, currency), "currency": currency}
    with _desk(store, namespace) as desk:
        _tell(desk.confirm(order, expects, now=instant(now)), as_json)


def release(
    order: OrderId, now: Now = None, store: StoreUrl = "", namespace: Namespace = "", as_json: AsJson = False
) -> None:
    """Release a reservation: the order was given up, and stops counting at once."""
    with _desk(store, namespace) as desk:
        _tell(desk.release(order, {}, now=instant(now)), as_json)


@contextmanager
def _desk(url: str, namespace: str, policy: Path | None = None, *, judging: bool = False) -> Iterator[ReservationDesk]:
    """A desk over the command's store; the published run is read where somebody is judged by it."""
    with opened(url, namespace) as at:
        desk = CheckoutDesk(at, patient(ruling_policy(policy, at)), ahead=False)
        if judging:
            desk.refresh()
        till = Till(at, desk.counts)
        try:
            yield ReservationDesk(desk, till)
        finally:
            till.close()


def _minor(text: str, currency: str) -> int:
    if currency not in EXPONENTS:
        raise BadInput(f"{currency} is no ISO 4217 currency", where="--currency", do="name the order's own currency")
    try:
        return to_minor(Decimal(text), currency)
    except (InvalidOperation, ValueError):
        raise BadInput(
            f"{text!r} is no amount of {currency}", where="--amount", do="write decimal text such as 129.90"
        ) from None


def _tell(reservation: Reservation, as_json: bool) -> None:
    limit = reservation.limit
    data = {
        "order_id": reservation.order_id,
        "state": reservation.state.value,
        "changed": reservation.changed,
        "expires_at": None if reservation.expires_at is None else to_iso(reservation.expires_at),
        "verdict": None if limit is None else limit.verdict.value,
        "reason": None if limit is None else limit.reason.value,
        "binding": None if limit is None or limit.binding is None else limit.binding.value,
        "binding_of": None if limit is None or limit.binding_of is None else limit.binding_of.value,
    }
    shown = [str(data[name]) for name in ("state", "reason", "binding", "binding_of") if data[name] is not None]
    until = f", until {data['expires_at']}" if data["expires_at"] else ""
    answer(data, as_json, lambda: typer.echo(f"{reservation.order_id}: {' '.join(shown)}{until}"))
