"""What `simulate` writes: tables by the contract, a truth that fits them, the same bytes each time."""

import hashlib
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from simulator.claims import FRESH
from simulator.knobs import ABUSE_RATE, KINDS, Knobs
from simulator.market import SimulationError, draw, simulate

from .conftest import Market

REQUIRED = {
    "buyers": {"buyer_id", "registered_at"},
    "stores": {"store_id", "category", "experience_score", "opened_at", "freight_cover"},
    "orders": {
        "order_id", "buyer_id", "store_id", "placed_at", "amount", "currency", "quantity", "sku", "signed_at",
        "device_id", "ip", "payment_id", "phone", "recipient", "address",
    },
    "order_items": {"order_id", "sku", "quantity", "amount"},
    "uses": {"buyer_id", "kind", "value", "used_at"},
    "refunds": {
        "refund_id", "order_id", "requested_at", "kind", "reason", "amount", "initiated_by", "note", "freight_covered",
        "evidence", "return_tracking_no", "shipped_weight_g", "return_weight_g", "outcome", "outcome_at",
    },
    "complaints": {"complaint_id", "refund_id", "filed_at", "type", "outcome", "outcome_at"},
    "decisions": {"buyer_id", "decided_at", "decision", "scope", "store_id"},
}  # fmt: skip
VALUES = {
    ("stores", "freight_cover"): {"all", "selected", "none"},
    ("orders", "currency"): {"CNY", "HKD"},
    ("uses", "kind"): {"device", "ip", "phone", "payment", "address", "recipient"},
    ("refunds", "kind"): {"refund_only", "return_refund"},
    ("refunds", "initiated_by"): {"buyer", "seller", "platform"},
    ("refunds", "freight_covered"): {"true", "false"},
    ("refunds", "outcome"): {"approved", "rejected", "withdrawn", "pending"},
    ("complaints", "type"): {"abnormal_refund_only", "swapped_return", "false_return", "fake_evidence"},
    ("complaints", "outcome"): {"upheld", "dismissed", "pending"},
    ("decisions", "decision"): {"closed", "limited", "lifted"},
    ("decisions", "scope"): {"platform", "store"},
}
TIMES = {
    "buyers": ["registered_at"],
    "orders": ["placed_at", "signed_at"],
    "uses": ["used_at"],
    "refunds": ["requested_at", "outcome_at"],
    "complaints": ["filed_at", "outcome_at"],
    "decisions": ["decided_at"],
}


def matches(series: pl.Series, pattern: str) -> bool:
    return bool(series.drop_nulls().str.contains(pattern).all())


def test_every_table_has_exactly_the_columns_of_the_contract(market: Market) -> None:
    assert set(market.summary.rows) == set(REQUIRED)
    for name, columns in REQUIRED.items():
        frame = market.table(name)
        assert set(frame.columns) == columns, name
        assert frame.height == market.summary.rows[name] > 0


def test_closed_vocabularies_hold_and_are_all_used(market: Market) -> None:
    for (table, column), allowed in VALUES.items():
        found = set(market.table(table)[column].drop_nulls().unique())
        assert found <= allowed, (table, column, found - allowed)
        if table != "uses":
            assert len(found) >= 2, (table, column)


def test_ids_are_unique_and_every_reference_resolves(market: Market) -> None:
    orders, refunds = market.table("orders"), market.table("refunds")
    for table, column in (("buyers", "buyer_id"), ("stores", "store_id"), ("orders", "order_id")):
        assert market.table(table)[column].is_unique().all()
    assert refunds["refund_id"].is_unique().all()
    assert refunds["order_id"].is_in(orders["order_id"].implode()).all()
    assert refunds["order_id"].is_unique().all()
    assert orders["buyer_id"].is_in(market.table("buyers")["buyer_id"].implode()).all()
    assert orders["store_id"].is_in(market.table("stores")["store_id"].implode()).all()
    assert market.table("order_items")["order_id"].is_in(orders["order_id"].implode()).all()
    assert market.table("complaints")["refund_id"].is_in(refunds["refund_id"].implode()).all()
    decisions = market.table("decisions")
    assert decisions.filter((pl.col("scope") == "store") != pl.col("store_id").is_not_null()).height == 0


def test_formats_of_times_amounts_hashes_and_networks(market: Market) -> None:
    for table, columns in TIMES.items():
        for column in columns:
            values = market.table(table)[column]
            assert matches(values, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00$"), (table, column)
            assert values.drop_nulls().max() <= "2024-12-31T23:59:59+08:00", (table, column)
    orders, refunds = market.table("orders"), market.table("refunds")
    for amount in (orders["amount"], refunds["amount"], market.table("order_items")["amount"]):
        assert amount.null_count() == 0
        assert matches(amount, r"^\d{1,9}\.\d\d$")
        assert (amount.cast(pl.Float64) > 0).all()
    assert matches(refunds["evidence"], r"^[0-9a-f]{16}(;[0-9a-f]{16}){0,3}$")
    assert matches(orders["ip"], r"^(\d{1,3}(\.\d{1,3}){3}|240e(:[0-9a-f]{1,4}){7})$")
    assert matches(orders["quantity"], r"^[1-9]\d?$")
    assert market.table("stores")["experience_score"].cast(pl.Float64).is_between(0, 5).all()


def test_events_follow_one_another(market: Market) -> None:
    orders = market.table("orders").join(market.table("buyers"), on="buyer_id")
    assert orders.filter(pl.col("placed_at") < pl.col("registered_at")).height == 0
    assert orders.filter(pl.col("signed_at") <= pl.col("placed_at")).height == 0
    refunds = market.table("refunds").join(orders.rename({"amount": "paid"}), on="order_id")
    assert refunds.filter(pl.col("requested_at") <= pl.col("placed_at")).height == 0
    assert refunds.filter(pl.col("outcome_at") < pl.col("requested_at")).height == 0
    assert refunds.filter(pl.col("amount").cast(pl.Float64) > pl.col("paid").cast(pl.Float64)).height == 0
    returns = refunds.filter(pl.col("kind") == "refund_only")
    assert returns.select(pl.col("return_tracking_no", "return_weight_g").is_null().all()).row(0) == (True, True)


def test_lines_add_up_to_their_order(market: Market) -> None:
    lines = (
        market.table("order_items")
        .group_by("order_id")
        .agg(pl.col("amount").cast(pl.Decimal(12, 2)).sum(), pl.col("quantity").cast(pl.Int64).sum())
    )
    both = market.table("orders").join(lines, on="order_id", suffix="_of_lines")
    assert both.height == market.summary.rows["orders"]
    assert (both["amount"].cast(pl.Decimal(12, 2)) == both["amount_of_lines"]).all()
    assert (both["quantity"].cast(pl.Int64) == both["quantity_of_lines"]).all()


def test_size_and_trades_are_those_of_a_marketplace(market: Market) -> None:
    orders = market.table("orders").join(market.table("stores"), on="store_id")
    per_buyer = orders.group_by("buyer_id").len()["len"]
    assert 7.0 < orders.height / 20_000 < 9.0
    assert per_buyer.max() > 80
    claims = market.table("refunds").filter(pl.col("initiated_by") == "buyer").select("order_id", "kind")
    rates = (
        orders.join(claims, on="order_id", how="left")
        .group_by("category")
        .agg(rate=pl.col("kind").is_not_null().mean(), keeps=(pl.col("kind") == "refund_only").mean())
    )
    rate = dict(rates.select("category", "rate").iter_rows())
    keeps = dict(rates.select("category", "keeps").iter_rows())
    assert len(rate) >= 7
    assert rate["apparel"] > 2 * rate["home"] > 2 * rate["books"]
    assert keeps["fresh_food"] > 0.75 > 0.5 > keeps["apparel"]
    shares = orders.group_by("store_id").len()["len"].sort(descending=True)
    assert shares[:10].sum() > 0.12 * orders.height


def test_hubs_and_doors_in_many_writings_exist(market: Market) -> None:
    orders = market.table("orders")
    crowd = orders.group_by("ip").agg(pl.col("buyer_id").n_unique())["buyer_id"]
    assert crowd.max() > 300
    stations = orders.filter(pl.col("address").str.contains("驿站|代收点|快递柜"))
    assert stations["buyer_id"].n_unique() > 0.1 * 20_000
    writings = orders.group_by("buyer_id").agg(pl.col("address").n_unique(), pl.len()).filter(pl.col("len") > 8)
    assert writings["address"].mean() > 2
    for style in ("單元", "－", r"\d-\d-\d", r"\d#", "室五|[零一二三四五六七八九]室", "Room "):
        assert orders["address"].str.contains(style).sum() > 20, style


def test_truth_names_every_buyer_once_and_its_rates_are_those_asked_for(market: Market) -> None:
    truth = market.truth
    assert truth.columns == ["buyer_id", "abuser", "kind", "ring_id"]
    assert set(truth["buyer_id"]) == set(market.table("buyers")["buyer_id"])
    assert truth["buyer_id"].is_unique().all()
    guilty = truth.filter(pl.col("abuser") == "1")
    assert guilty.height == market.summary.abusers == round(20_000 * ABUSE_RATE["default"])
    assert set(guilty["kind"]) == set(KINDS) == set(market.summary.kinds)
    innocent = truth.filter(pl.col("abuser") == "0")
    assert innocent["ring_id"].null_count() + (innocent["ring_id"] == "").sum() == innocent.height
    assert {"honest", "flatmate", "family", "framed"} == set(innocent["kind"])
    sizes = guilty.filter(pl.col("kind") != "lone").group_by("ring_id").len()["len"]
    assert sizes.min() >= 2
    assert 10 < sizes.max() <= 42


def test_every_abuser_filed_a_claim_and_rings_hit_several_stores(market: Market) -> None:
    claims = market.table("refunds").filter(pl.col("initiated_by") == "buyer")
    owners = claims.join(market.table("orders"), on="order_id").join(market.truth, on="buyer_id")
    guilty = market.truth.filter(pl.col("abuser") == "1")
    assert guilty["buyer_id"].is_in(owners["buyer_id"].implode()).all()
    rings = owners.filter((pl.col("abuser") == "1") & pl.col("ring_id").is_not_null() & (pl.col("ring_id") != ""))
    stores = rings.group_by("ring_id").agg(pl.col("store_id").n_unique(), pl.len())
    assert stores["store_id"].min() >= 2
    assert stores["len"].median() >= 8


@pytest.mark.parametrize("level", ["none", "low", "high"])
@pytest.mark.parametrize("seed", [11, 12])
def test_levels_of_abuse(tmp_path: Path, level: str, seed: int) -> None:
    summary = simulate(tmp_path / "m", buyers=4_000, seed=seed, abuse=level)  # type: ignore[arg-type]
    assert summary.abusers == round(4_000 * ABUSE_RATE[level])
    if level == "none":
        assert summary.rings == 0
        assert set(pl.read_csv(summary.truth_path)["kind"]) == {"honest"}


def digest(folder: Path) -> str:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return hashlib.sha256(b"".join(p.name.encode() + p.read_bytes() for p in files)).hexdigest()


def test_equal_arguments_give_equal_bytes_and_another_seed_other_ids(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        simulate(tmp_path / name / "m", buyers=800, seed=seed)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")
    ids = [set(pl.read_csv(tmp_path / n / "truth.csv")["buyer_id"]) for n in ("a", "c")]
    assert not ids[0] & ids[1]


def test_formats_hold_the_same_rows(tmp_path: Path) -> None:
    for form in ("csv", "parquet", "jsonl"):
        simulate(tmp_path / form / "m", buyers=200, seed=1, format=form)  # type: ignore[arg-type]
    csv = pl.read_csv(tmp_path / "csv/m/refunds.csv", infer_schema_length=None)
    parquet = pl.read_parquet(tmp_path / "parquet/m/refunds.parquet")
    lines = pl.read_ndjson(tmp_path / "jsonl/m/refunds.jsonl", infer_schema_length=None)
    assert parquet["refund_id"].to_list() == lines["refund_id"].to_list() == csv["refund_id"].to_list()
    assert (
        parquet["return_weight_g"].to_list() == lines["return_weight_g"].to_list() == csv["return_weight_g"].to_list()
    )


@pytest.mark.parametrize("buyers", [20, 50, 333])
def test_small_markets_work(tmp_path: Path, buyers: int) -> None:
    summary = simulate(tmp_path / "m", buyers=buyers, seed=2, abuse="high")
    assert summary.rows["buyers"] == buyers
    assert summary.rows["orders"] > buyers


def test_the_year_ends_when_asked(tmp_path: Path) -> None:
    summary = simulate(tmp_path / "m", buyers=200, seed=2, end=date(2023, 6, 30))
    placed = pl.read_csv(summary.folder / "orders.csv", infer_schema_length=0)["placed_at"]
    assert "2023-06-2" < placed.max() <= "2023-06-30T23:59:59+08:00"
    assert placed.min() >= "2022-06-30"


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    simulate(tmp_path / "m", buyers=50, seed=1)
    with pytest.raises(SimulationError, match="not empty"):
        simulate(tmp_path / "m", buyers=50, seed=1)
    with pytest.raises(SimulationError, match=r"truth\.csv exists"):
        simulate(tmp_path / "other", buyers=50, seed=1)
    (tmp_path / "m" / "mine.txt").write_text("keep")
    simulate(tmp_path / "m", buyers=60, seed=1, overwrite=True, format="parquet")
    assert (tmp_path / "m" / "mine.txt").read_text() == "keep"
    assert not (tmp_path / "m" / "orders.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"buyers": 3}, "at least 20"),
        ({"seed": -1}, "not negative"),
        ({"abuse": "some"}, "choose one of none, low"),
        ({"format": "xml"}, "choose one of csv"),
    ],
)
def test_impossible_arguments_are_refused(tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        simulate(tmp_path / "m", **({"buyers": 50, "seed": 1} | arguments))  # type: ignore[arg-type]
    assert not (tmp_path / "m").exists()


def test_knobs_change_the_market_and_are_checked(tmp_path: Path) -> None:
    bare = Knobs(order_items=False, left_out=(("refunds", "return_weight_g"),), stations=0.0, claim_rate=2.0)
    summary = simulate(tmp_path / "a" / "m", buyers=2_000, seed=1, knobs=bare)
    common = simulate(tmp_path / "b" / "m", buyers=2_000, seed=1, knobs=Knobs())
    assert not (summary.folder / "order_items.csv").exists()
    assert "return_weight_g" not in pl.read_csv(summary.folder / "refunds.csv").columns
    assert summary.rows["refunds"] > 1.5 * common.rows["refunds"]
    with pytest.raises(ValueError, match="kind_mix"):
        Knobs(kind_mix=(1.0,))
    with pytest.raises(ValueError, match="stations"):
        Knobs(stations=-0.1)


def test_a_whole_table_can_be_left_out(tmp_path: Path) -> None:
    summary = simulate(tmp_path / "m", buyers=400, seed=1, knobs=Knobs(left_out=(("complaints", "*"),)))
    assert not (summary.folder / "complaints.csv").exists()
    assert (summary.folder / "decisions.csv").exists()
    with pytest.raises(ValueError, match="complaint_texts"):
        simulate(tmp_path / "other" / "m", buyers=400, seed=1, knobs=Knobs(left_out=(("complaint_texts", "*"),)))


def test_the_share_of_abusers_can_be_set(tmp_path: Path) -> None:
    assert simulate(tmp_path / "m", buyers=2_000, seed=1, abuse="none", knobs=Knobs(abusers=0.02)).abusers == 40


def test_stores_that_smear_a_buyer_complain_of_an_honest_one_within_days(tmp_path: Path) -> None:
    """Two markets that differ in nothing but the smear: the complaints that are new are the agreed ones."""
    reports = {}
    for name, smeared in (("calm", 0.0), ("smeared", 0.01)):
        summary = simulate(tmp_path / name / "m", buyers=3_000, seed=4, knobs=Knobs(smeared=smeared))
        read = {
            table: pl.read_csv(summary.folder / f"{table}.csv", infer_schema=False) for table in ("orders", "refunds")
        }
        claims = read["refunds"].join(read["orders"].select("order_id", "buyer_id", "store_id"), on="order_id")
        truth = pl.read_csv(summary.truth_path, infer_schema=False)
        complaints = pl.read_csv(summary.folder / "complaints.csv", infer_schema=False)
        reports[name] = complaints.join(claims, on="refund_id").join(truth, on="buyer_id")
    new = reports["smeared"].join(reports["calm"], on="refund_id", how="anti")
    by_buyer = new.group_by("buyer_id").agg(
        pl.col("store_id").n_unique(),
        pl.col("abuser").max(),
        (
            pl.col("filed_at").str.slice(0, 10).str.to_date().max()
            - pl.col("filed_at").str.slice(0, 10).str.to_date().min()
        ).alias("span"),
    )
    assert 20 <= by_buyer.height <= 30
    assert (by_buyer["abuser"] == "0").all()
    assert (by_buyer["store_id"] >= 2).mean() > 0.8
    assert by_buyer["span"].max().days <= 3  # type: ignore[union-attr]


def test_public_computers_are_shared_by_many_and_by_nobody_unless_asked_for(tmp_path: Path) -> None:
    most = {}
    for name, kiosks in (("none", 0.0), ("some", 0.1)):
        summary = simulate(tmp_path / name / "m", buyers=3_000, seed=4, knobs=Knobs(kiosks=kiosks, agents=0.0))
        orders = pl.read_csv(summary.folder / "orders.csv", infer_schema=False)
        most[name] = orders.group_by("device_id").agg(pl.col("buyer_id").n_unique())["buyer_id"].max()
    assert most["some"] > 2 * most["none"]  # type: ignore[operator]


def test_without_a_season_claims_do_not_follow_the_month(tmp_path: Path) -> None:
    swing = {}
    for season in (0.0, 1.5):
        knobs = Knobs(season=season, festival=1.0, bad_batches=0.0, price_errors=0.0)
        draft = draw(20_000, 3, "none", date(2024, 12, 31), knobs)[0]
        fresh = draft.shops.category[draft.orders.store] == FRESH
        month = (draft.orders.placed // 86_400).astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12
        claimed = np.zeros(len(draft.orders), dtype=bool)
        claimed[draft.claims.order] = True
        rate = np.bincount(month[fresh & claimed], minlength=12) / np.bincount(month[fresh], minlength=12)
        swing[season] = rate[6] / rate[0]
    assert swing[0.0] == pytest.approx(1.0, abs=0.2)
    assert swing[1.5] > 4.0


def test_sprees_bring_orders_of_one_buyer_close_together_and_change_no_count() -> None:
    near, count = {}, {}
    for sprees in (0.0, 0.4):
        orders = draw(4_000, 6, "none", date(2024, 12, 31), Knobs(sprees=sprees, friends=0.0))[0].orders
        order = np.lexsort((orders.placed, orders.buyer))
        buyer, placed, store = orders.buyer[order], orders.placed[order], orders.store[order]
        same = buyer[1:] == buyer[:-1]
        soon = same & (placed[1:] - placed[:-1] < 2 * 86_400)
        near[sprees] = soon.sum() / same.sum()
        count[sprees] = len(buyer)
        if sprees:
            assert (store[1:] == store[:-1])[soon].mean() > 0.35
    assert near[0.4] > near[0.0] + 0.2
    assert count[0.4] == pytest.approx(count[0.0], rel=0.01)
