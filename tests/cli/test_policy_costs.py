"""`ringfence policy diff`, `simulate` and `backtest`."""

from __future__ import annotations

from pathlib import Path

from graph.store import Store
from tests.cli.conftest import Command
from tests.integrity.hand import POLICY_TEXT


def test_two_policies_are_compared_in_words(ringfence: Command, home: Path) -> None:
    (home / "a.toml").write_text(POLICY_TEXT)
    (home / "b.toml").write_text(POLICY_TEXT.replace("orders_per_30_days = 3", "orders_per_30_days = 4"))
    told = ringfence("policy", "diff", "a.toml", "b.toml")
    assert "may place 4 orders in 30 days instead of 3. (milder)" in told.out
    assert ringfence("policy", "diff", "a.toml", "b.toml", "--json").json["changes"][0]["effect"] == "milder"
    assert ringfence("policy", "diff", "a.toml", "gone.toml").code == 3


def test_a_policy_is_simulated_on_the_orders_after_a_run(
    ringfence: Command, export: Path, home: Path, store: Store
) -> None:
    (home / "mine.toml").write_text(POLICY_TEXT)
    ringfence("load", export)
    nothing = ringfence("detect") and ringfence("policy", "simulate", "mine.toml")
    assert nothing.code == 3
    assert "no order was placed after" in nothing.err
    late = ["order_id,buyer_id,store_id,placed_at,amount,device_id"]
    late += [
        f"late-{n}-{buyer},b{buyer:02},s0,2024-12-1{n}T10:00:00Z,90.00,d{buyer}" for n in (1, 2) for buyer in (0, 9)
    ]
    late.append("late-new,newcomer,s1,2024-12-12T10:00:00Z,80.00,farm-device-1")
    (export / "orders.csv").write_text("\n".join(late) + "\n")
    (export / "refunds.csv").unlink()
    ringfence("load", export)
    runs = len(store.runs())
    found = ringfence("policy", "simulate", "mine.toml", "--json").json
    assert found["window"]["orders"] == 5
    assert set(found["now"]["cost"]) == set(found["then"]["cost"])
    assert found["then"]["accounts"] == 160
    text = ringfence("policy", "simulate", "mine.toml").out
    assert "abuse let through" in text
    assert "(tried)" in text
    assert (
        ringfence("policy", "simulate", "mine.toml", "--until", "2024-12-11T12:00:00Z", "--json").json["window"][
            "orders"
        ]
        == 2
    )
    tested = ringfence("policy", "backtest", "mine.toml", "--json").json
    assert [one["limited"] for one in tested["judgements"]] == [found["then"]["limited"]]
    assert tested["total"] == {name: value for name, value in tested["costs"][0].items() if name in tested["total"]}
    assert tested["total"] == found["then"]["cost"]
    assert "all together" in ringfence("policy", "backtest", "mine.toml").out
    assert len(store.runs()) == runs
