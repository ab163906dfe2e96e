"""The command `purchase-limit`: what a buyer may buy now, as checkout is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.acting import By, Now
from cli.asking import asking
from cli.common import AsJson, Namespace, PolicyFile, StoreUrl, answer, json_lines, read_text
from graph.errors import BadInput
from integrity.instants import from_iso

_ASK = """query($buyer: ID!, $store: ID!, $sku: String, $quantity: Int!, $amount: Decimal, $currency: Currency!,
    $order: ID, $identifiers: PurchaseIdentifiers, $items: [BasketItem!]) {
  purchaseLimit(buyerId: $buyer, storeId: $store, sku: $sku, quantity: $quantity, amount: $amount,
      currency: $currency, orderId: $order, identifiers: $identifiers, items: $items) {
    buyerId verdict reason scope status remainingOrders remainingAmount { amount currency } maxQuantity binding
    bindingOf expiresAt runId stale countedUntil
    items { verdict reason scope remainingOrders remainingAmount { amount currency } maxQuantity binding bindingOf }
  }
}"""
_ITEM = {"sku": "sku", "store_id": "storeId", "quantity": "quantity", "amount": "amount"}


def purchase_limit(
    buyer: Annotated[str, typer.Argument(help="Who would buy.")],
    store_id: Annotated[str, typer.Option(help="At which store of the marketplace.")],
    item: Annotated[str | None, typer.Option(help="The item, by its sku.")] = None,
    quantity: Annotated[int, typer.Option(help="Pieces.")] = 1,
    basket: Annotated[
        Path | None,
        typer.Option(
            help="File of several items, in place of the item, its quantity and amount: JSON Lines of sku, store_id, "
            "quantity, amount, all optional; - reads standard input.",
            allow_dash=True,
        ),
    ] = None,
    amount: Annotated[str | None, typer.Option(help="What it would cost, as decimal text.")] = None,
    currency: Annotated[str, typer.Option(help="Currency of the amount, ISO 4217.")] = "CNY",
    order: Annotated[
        str | None, typer.Option(help="The order, where it exists already: it is not counted against itself.")
    ] = None,
    device: Annotated[str, typer.Option(help="The device it is bought from: keyed at once; needs RINGFENCE_KEY.")] = "",
    phone: Annotated[str, typer.Option(help="The phone number given, as the device.")] = "",
    address: Annotated[str, typer.Option(help="Where it is sent, as the device.")] = "",
    payment: Annotated[str, typer.Option(help="The payment instrument's id, as the device.")] = "",
    ip: Annotated[str, typer.Option(help="The IP address, as the device.")] = "",
    recipient: Annotated[str, typer.Option(help="The recipient's name, as the device.")] = "",
    by: By = "",
    now: Now = None,
    policy: PolicyFile = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Say whether a buyer may buy this now, and how much, as checkout is told. It takes nothing."""
    kinds = {
        "device": device,
        "phone": phone,
        "address": address,
        "payment": payment,
        "ip": ip,
        "recipient": recipient,
    }
    asked = {
        "buyer": buyer,
        "store": store_id,
        "sku": item,
        "quantity": quantity,
        "amount": amount,
        "currency": currency,
        "order": order,
        "identifiers": {kind: value for kind, value in kinds.items() if value} or None,
        "items": None if basket is None else _items(read_text(basket), str(basket)),
    }
    at = None if now is None else from_iso(now, where="--now")
    with asking(store, namespace, policy, by=by, now=at) as ask:
        found = ask.data(_ASK, **asked)["purchase_limit"]
    answer(found, as_json, lambda: _print(found))


def _items(text: str, where: str) -> list[dict[str, Any]]:
    items = []
    for place, said in json_lines(text, where):
        if not isinstance(said, dict) or not said.keys() <= _ITEM.keys():
            do = f"give an object of {', '.join(_ITEM)}, as many as are known; nothing else"
            raise BadInput("is no item", where=place, do=do)
        items.append({_ITEM[name]: value for name, value in said.items()})
    if not items:
        raise BadInput("names no item", where=where, do="write an object a line")
    return items


def _print(found: dict[str, Any]) -> None:
    typer.echo(_told(found))
    for number, one in enumerate(found["items"], 1):
        typer.echo(f"  item {number}: {_said(one)}")


def _told(found: dict[str, Any]) -> str:
    parts = [
        None if found["expires_at"] is None else f"until {found['expires_at']}",
        "resting on a run that is too old" if found["stale"] else None,
    ]
    return ", ".join([f"{found['buyer_id']}: {_said(found)}", *(part for part in parts if part)])


def _said(found: dict[str, Any]) -> str:
    left = found["remaining_amount"]
    parts = [
        None if found["remaining_orders"] is None else f"{found['remaining_orders']} orders left",
        None if left is None else f"{left['amount']} {left['currency']} left",
        None if found["max_quantity"] is None else f"up to {found['max_quantity']} pieces",
        None if found["binding"] is None else f"bound by {found['binding']} of the {found['binding_of']}",
    ]
    shown = ", ".join(part for part in parts if part)
    return f"{found['verdict']} ({found['reason']}){': ' + shown if shown else ''}"
