"""No raw personal value is found in the bytes of the store, in reports, in the quarantine, in errors or progress."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from graph.errors import BadInput
from loaders.progress import Lines
from tests.loaders.support import REFUND, Market, orders

SECRETS = {
    "device_id": "fp-9c1e77aa20b34d5e",
    "ip": "203.0.113.77",
    "payment_id": "6222021234567894321",
    "phone": "13987654321",
    "recipient": "欧阳佳慧",
    "address": "浙江省杭州市西湖区文三路478号翠苑小区3幢2单元501室",
    "note": "收到的杯子碎成了三片请退款",
    "return_tracking_no": "SF1098765432101",
}
PARTS = ["6222021234567894321", "13987654321", "欧阳佳慧", "佳慧", "文三路", "翠苑小区", "碎成了三片", "203.0.113"]


def _found(folder: Path) -> list[str]:
    texts = [*SECRETS.values(), *PARTS]
    held = b"".join(path.read_bytes() for path in sorted(folder.glob("store.db*")))
    encodings = ("utf-8", "utf-16-le", "gbk")
    return [text for text in texts if any(text.encode(name) in held for name in encodings)]


def _market_of_secrets(market: Market) -> None:
    personal = {name: text for name, text in SECRETS.items() if name not in ("note", "return_tracking_no")}
    broken = {**personal, "amount": "-1"}
    long = {**personal, "address": SECRETS["address"] * 2000}
    market.put("orders.csv", orders(personal, broken, long))
    refund = {**REFUND, "note": SECRETS["note"], "return_tracking_no": SECRETS["return_tracking_no"]}
    market.put("refunds.csv", [refund, {**refund, "refund_id": "r2", "kind": "?"}])
    kinds = {"device": "device_id", "ip": "ip", "payment": "payment_id", "phone": "phone", "recipient": "recipient"}
    uses = [
        {"buyer_id": "b1", "kind": kind, "value": SECRETS[column], "used_at": "2024-05-01T00:00:00Z"}
        for kind, column in {**kinds, "address": "address"}.items()
    ]
    uses += [{**uses[0], "kind": "ip"}, {**uses[3], "kind": "telephone"}, {**uses[3], "used_at": "never"}]
    market.put("uses.csv", uses)


def test_no_raw_identifier_is_found_anywhere(market: Market, tmp_path: Path) -> None:
    _market_of_secrets(market)
    told = io.StringIO()
    report = market.load(progress=Lines(told, every=0.0))
    assert report.quarantined == 6
    shown = "\n".join([report.to_json(), *report.lines(), told.getvalue(), repr(market.quarantine())])
    assert [text for text in (*SECRETS.values(), *PARTS) if text in shown] == []
    assert _found(tmp_path) == []
    market.store.close()
    assert _found(tmp_path) == []
    assert len(list(tmp_path.glob("store.db*"))) >= 1


def test_the_masked_forms_and_pseudonyms_are_kept(market: Market) -> None:
    _market_of_secrets(market)
    market.load()
    (order,) = market.rows("orders")
    known = {(row["kind"], row["key"]): row for row in market.rows("identifiers")}
    for column in ("device", "ip", "payment", "phone", "recipient"):
        assert known[column, order[column]]["masked"]
    door = known["door", order["address"]]
    building = known["building", door["within"]]
    estate = known["estate", building["within"]]
    assert estate["within"] is None
    assert door["has_city"]
    assert door["bare"] not in (None, door["key"])
    assert known["ip", order["ip"]]["within"] in {key for kind, key in known if kind == "ip_prefix"}
    uses = {row["kind"]: row["key"] for row in market.rows("uses")}
    assert uses == {kind: order[kind] for kind in ("device", "ip", "payment", "phone", "recipient", "address")}


def test_the_same_door_in_other_writings_is_one_door(market: Market) -> None:
    writings = [SECRETS["address"], "杭州西湖区翠苑小区3幢2单元501（放门口）", "浙江杭州市翠苑小区3-2-501"]
    market.put("orders.csv", orders(*({"address": text} for text in writings)))
    market.load()
    assert len({row["address"] for row in market.rows("orders", "address")}) == 1


@pytest.mark.parametrize("extra", ["{line},{secret}\n", '"{secret}\n', "{secret}\udce9\n"])
def test_a_refused_file_does_not_repeat_what_stood_in_it(market: Market, extra: str) -> None:
    secret = SECRETS["phone"]
    market.put("orders.csv", orders({"phone": secret}))
    text = (market.folder / "orders.csv").read_text("utf-8")
    line = text.splitlines()[1]
    market.put("orders.csv", (text + extra.format(line=line, secret=secret)).encode("utf-8", "surrogateescape"))
    with pytest.raises(BadInput) as refused:
        market.load()
    chain: BaseException | None = refused.value
    while chain is not None:
        assert secret not in str(chain)
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
