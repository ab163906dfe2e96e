"""No raw device, phone, recipient, address, payment instrument, IP or parcel number of the input is found in the bytes
of the store, in what any process says, or in an export."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.error import HTTPError

import polars as pl
import pytest

from tests.faults.support import KEY, ORDER, Desk, Ran, busiest, gang, put, serving

PERSONAL = ("device_id", "phone", "recipient", "address", "payment_id", "ip")
OWN = {
    "device_id": "fingerprint-9c1e77aa20b34d5e",
    "phone": "13987654321",
    "recipient": "欧阳佳慧",
    "address": "四川省成都市武侯区人民南路四段27号商鼎国际2幢1单元1906室",
    "payment_id": "6222021234567894321",
    "ip": "203.0.113.77",
}
PARCEL, NOTE = "SF1098765432101", "收到的杯子碎成了三片请退款"

LOOK_UP = """query ($phone: String!, $address: String!) {
  phone: identifier(kind: PHONE, value: $phone) { id masked users(first: 5) { edges { node { account { id } } } } }
  address: identifier(kind: ADDRESS, value: $address) { id masked hub { verdict } }
}"""
UNKNOWN = 'query { identifier(kind: PHONE, value: "PHONE") { id shoeSize } }'


def _input_values(market: Path, every: int = 48) -> list[str]:
    """A sample of the market's own raw values, of each kind alike."""
    orders = pl.read_csv(market / "orders.csv", infer_schema=False)
    columns = [orders[name] for name in PERSONAL]
    columns += [pl.read_csv(market / "uses.csv", infer_schema=False)["value"]]
    columns += [pl.read_csv(market / "refunds.csv", infer_schema=False)["return_tracking_no"]]
    values = [value for column in columns for value in column.drop_nulls().unique().sort().gather_every(every)]
    # two letters are too few to tell a name from a mask's city
    return [value for value in values if len(value) >= 3]


def test_raw_identifiers_are_found_nowhere(empty_desk: Desk, market: Path, tmp_path: Path) -> None:
    desk, said = empty_desk, list[Ran]()
    tables = gang([f"gang-{n}" for n in range(6)], busiest(market), mark="raw", **OWN)
    for row in tables["refunds"][::6]:
        row |= {"kind": "return_refund", "return_tracking_no": PARCEL, "note": NOTE}
    folder = put(tmp_path / "given", **tables)
    broken = put(
        tmp_path / "broken",
        orders=[
            {**ORDER, **OWN, "amount": "-1"},
            {**ORDER, **OWN, "order_id": "given-2", "address": OWN["address"] * 2000},
            {**ORDER, **OWN, "order_id": "given-3"},
            {**ORDER, **OWN, "order_id": "given-3", "amount": "7"},
        ],
        uses=[{"buyer_id": "b", "kind": "telephone", "value": OWN["phone"], "used_at": "2024-12-01T00:00:00Z"}],
    )
    refused = put(tmp_path / "refused", orders=(tmp_path / "given" / "orders.csv").read_bytes() + b'"\xff' + b"x\n")
    said += [desk.process("load", market), desk("load", folder), desk("load", broken), desk("load", refused)]
    assert [ran.code for ran in said] == [0, 0, 0, 3]
    said += [desk("quarantine", "list"), desk("quarantine", "list", "--json"), desk("quarantine", "retry")]
    said += [desk.process("detect"), desk("explain", "account", "gang-0"), desk("status"), desk("runs")]
    with serving(desk) as server:
        # while it serves, the log beside the file holds what is not yet written back
        found = server.ask(LOOK_UP, phone="+86 139-8765-4321", address=OWN["address"])
        assert found["phone"]["masked"]
        assert found["address"] is not None
        assert len(found["phone"]["users"]["edges"]) == 5
        for query in (UNKNOWN.replace('PHONE"', OWN["phone"] + '"'), "{ " + OWN["phone"]):
            with pytest.raises(HTTPError) as refusal:
                server.ask(query)
            assert refusal.value.code == 400
            # what the asker wrote may be quoted to the asker, and to nobody else
            refusal.value.close()
        said.append(desk.done("forget", "gang-5"))
        stored = _bytes_of(desk)
        said.append(server.end())
    stored += _bytes_of(desk)
    files = [tmp_path / name for name in ("accounts.csv", "rings.jsonl", "evidence.parquet", "rings.graphml")]
    for file in files:
        said.append(desk.done("export", file.stem, file))
    shown = "\n".join(ran.out + ran.err for ran in said).encode()
    exported = b"".join(file.read_bytes() for file in files)

    # what may be kept is found, so that what is not found is not there
    assert b"gang-0" in stored
    assert b"gang-0" in exported
    assert b"139******21" in stored
    assert b"139******21" in shown
    secrets = [*OWN.values(), PARCEL, NOTE, "佳慧", "人民南路", "商鼎国际", "碎成了三片", KEY, *_input_values(market)]
    assert len(secrets) > 100
    for where, held in {"the store": stored, "what was said": shown, "the exports": exported}.items():
        assert [text for text in secrets if _written(text, held)] == [], where


def _written(text: str, held: bytes) -> bool:
    escaped = json.dumps(text)[1:-1].encode()
    return text.encode() in held or (escaped != text.encode() and escaped in held) or text.encode("utf-16-le") in held


def _bytes_of(desk: Desk) -> bytes:
    return b"".join(part.read_bytes() for part in sorted(desk.folder.glob("store.db*")))
