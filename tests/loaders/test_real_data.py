"""The two real exports load through their mapping files, and every row of them is accounted for."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from loaders.report import LoadReport
from tests.loaders.support import Market
from tests.require import require_data

EXAMPLES = Path(__file__).parents[2] / "examples"


def _readme_says(report: LoadReport, example: str) -> None:
    readme = (EXAMPLES / example / "README.md").read_text("utf-8")
    assert [line for line in report.lines()[1:] if line not in readme] == []


def test_online_retail_loads_and_its_541909_lines_add_up(market: Market) -> None:
    market.folder = require_data("online_retail")
    mapping = EXAMPLES / "online_retail" / "mapping.toml"
    report = market.load(mapping=mapping)
    lines = report.sources["lines"]
    assert lines["read"] == 541_909
    assert lines["read"] == lines["kept"] + sum(lines["left_out"].values())
    bought, cancelled = report.sources["purchases"]["read"], report.sources["cancellations"]["read"]
    assert lines["kept"] == bought + cancelled
    matched = report.sources["matched"]
    assert matched["read"] == cancelled
    assert matched["kept"] + sum(matched["left_out"].values()) == cancelled
    assert all(count.adds_up for count in report.tables.values())
    assert report.quarantined == 0
    assert report.waiting == 0

    _readme_says(report, "online_retail")

    raw = pl.read_parquet(market.folder / "onlineretail.parquet").filter(
        pl.col("customerid").is_not_null()
        & (pl.col("unitprice") > 0)
        & ~pl.col("stockcode").is_in(["D", "M", "BANK CHARGES", "CRUK", "AMAZONFEE", "S", "B"])
    )
    sold = raw.filter(~pl.col("invoiceno").str.starts_with("C"))
    orders = pl.DataFrame(market.rows("orders", "order_id", "buyer_id", "amount", "quantity", "currency", "placed_at"))
    assert orders.height == sold["invoiceno"].n_unique()
    assert orders["quantity"].sum() == int(sold["quantity"].sum())
    assert orders["currency"].unique().to_list() == ["GBP"]
    assert abs(orders["amount"].sum() / 100 - (sold["quantity"] * sold["unitprice"]).sum()) < 1

    refunds = pl.DataFrame(market.rows("refunds", "refund_id", "order_id", "requested_at", "amount", "kind"))
    both = refunds.join(orders.rename({"amount": "paid"}), on="order_id")
    assert both.height == refunds.height == report.tables["refunds"].new
    assert (both["requested_at"] >= both["placed_at"]).all()
    buyers = raw.select(
        pl.col("invoiceno"), pl.col("customerid").cast(pl.Int64).cast(pl.String).alias("customer")
    ).unique()
    named = both.with_columns(pl.col("refund_id").str.split("-").list.first().alias("invoiceno")).join(
        buyers, on="invoiceno"
    )
    assert (named["customer"] == named["buyer_id"]).all()

    again = market.load(mapping=mapping)
    assert sum(count.new + count.changed for count in again.tables.values()) == 0


def test_p2p_loads_without_orders_or_refunds(market: Market) -> None:
    market.folder = require_data("p2p")
    report = market.load(mapping=EXAMPLES / "p2p" / "mapping.toml")
    _readme_says(report, "p2p")
    used = pl.read_parquet(market.folder / "USED.parquet").height
    cards = pl.read_parquet(market.folder / "HAS_CC.parquet").height
    assert report.tables["uses"].read == used + cards
    assert report.tables["buyers"].new == 33_732
    assert report.quarantined == 0
    assert {"orders", "refunds"} <= set(report.absent)
    assert report.unknown["User.parquet"][0] == "fraudMoneyTransfer"
    shared = (
        pl.DataFrame(market.rows("uses", "buyer_id", "kind", "key"))
        .filter(pl.col("kind") == "device")
        .group_by("key")
        .agg(pl.col("buyer_id").n_unique().alias("buyers"))
    )
    assert shared["buyers"].max() == 52
