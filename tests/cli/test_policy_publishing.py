"""`ringfence policy publish`, `list` and `rollback`, and what is in force afterwards."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from api.app import create_app
from api.settings import ApiSettings
from api.tokens import make_token
from graph.store import Store
from integrity.policy import default_policy
from integrity.replay import replay
from tests.cli.conftest import Command
from tests.integrity.hand import POLICY_TEXT

WATCHFUL = POLICY_TEXT + "[statuses]\nwatch_risk = 0.0\n"


def test_a_published_policy_is_in_force_for_whoever_names_no_file(
    ringfence: Command, export: Path, home: Path, store: Store
) -> None:
    (home / "mine.toml").write_text("# ours\n" + WATCHFUL)
    (home / "other.toml").write_text(POLICY_TEXT.replace('"t1"', '"t2"'))
    ringfence("load", export)
    first = ringfence("detect", "--json").json["run"]["run_id"]
    made = ringfence("policy", "publish", "mine.toml", "--reason", "try it", "--by", "anna", "--json").json
    assert (made["version"], made["by"], made["reason"], made["forced"]) == ("t1", "anna", "try it", False)
    assert store.head().run == made["run_id"] != first
    again = replay(store)
    assert again.same, "findings that were handed on are those that detecting again gives"
    assert all(again.tables.values())
    assert store.run_rows(made["run_id"], "run_lineage")["state"].to_pylist() == ["continues"]
    assert ringfence("policy", "show").out.startswith("# ours")
    assert ringfence("detect", "--json").json["run"]["policy"] == "t1"
    assert ringfence("detect", "--policy", "other.toml", "--json").json["run"]["policy"] == "t2", "a file wins"
    assert ringfence("policy", "publish", "other.toml").code == 0
    assert "try it" in ringfence("policy", "list").out
    assert [one["in_force"] for one in ringfence("policy", "list", "--json").json] == [False, True]
    back = ringfence("policy", "rollback")
    assert "policy t1 is in force" in back.out
    assert ringfence("policy", "show", "--version", "t2").out == POLICY_TEXT.replace('"t1"', '"t2"').rstrip("\n") + "\n"
    assert ringfence("policy", "rollback", "nothing").code == 8
    assert ringfence("policy", "publish", "gone.toml").code == 3


def test_one_that_limits_too_many_is_refused_until_forced_with_a_reason(
    ringfence: Command, export: Path, home: Path
) -> None:
    (home / "none.toml").write_text(POLICY_TEXT.replace("0.6", "0.0"))
    ringfence("load", export)
    (home / "free.toml").write_text(POLICY_TEXT.replace('"t1"', '"free"'))
    assert ringfence("detect", "--policy", "free.toml", "--json").json["limited"] > 0
    refused = ringfence("policy", "publish", "none.toml")
    assert refused.code == 7
    assert "the policy allows 0.00%" in refused.err
    assert "--force" in refused.err
    assert ringfence("policy", "publish", "none.toml", "--force").code == 3
    forced = ringfence("policy", "publish", "none.toml", "--force", "--reason", "the board agreed")
    assert forced.code == 0
    assert "forced though it would limit" in forced.out
    assert "the board agreed" in ringfence("policy", "list").out


def test_two_people_put_a_policy_in_force_where_the_one_before_wants_it(ringfence: Command, home: Path) -> None:
    (home / "two.toml").write_text(POLICY_TEXT + "[people]\ntwo_for_policies = true\n")
    (home / "next.toml").write_text(POLICY_TEXT.replace('"t1"', '"next"'))
    (home / "export").mkdir()
    (home / "export" / "orders.csv").write_text(
        "order_id,buyer_id,store_id,placed_at,amount\no1,b1,s1,2024-12-01T00:00:00Z,1.00\n"
    )
    assert ringfence("load", "export").code == 0
    assert ringfence("policy", "publish", "two.toml", "--by", "ada").code == 0
    proposed = ringfence("policy", "publish", "next.toml", "--by", "ada", "--reason", "autumn")
    assert (proposed.code, "another person must publish it too" in proposed.out) == (0, True)
    waiting = ringfence("policy", "list", "--waiting", "--json").json
    assert [(one["version"], one["by"], one["in_force"]) for one in waiting] == [("next", "ada", False)]
    done = ringfence("policy", "publish", "next.toml", "--by", "ben", "--json").json
    assert (done["waits"], done["proposed_by"]) == (False, "ada")
    assert ringfence("policy", "list", "--waiting", "--json").json == []
    assert ringfence("policy", "list", "--json").json[-1]["version"] == "next"


def test_any_earlier_run_can_be_gone_back_to(ringfence: Command, export: Path, store: Store) -> None:
    ringfence("load", export)
    first, second, third = (ringfence("detect", "--json").json["run"]["run_id"] for _ in range(3))
    assert len({first, second, third}) == 3
    assert ringfence("rollback", first).code == 0
    assert store.head().run == first
    unpublished = ringfence("detect", "--no-publish", "--seed", "3", "--json").json["run"]["run_id"]
    refused = ringfence("rollback", unpublished)
    assert refused.code == 3
    assert "never published" in refused.err
    assert ringfence("rollback", "run-none").code == 8


def test_readers_never_see_a_mixture_of_two_policies(
    ringfence: Command, export: Path, home: Path, store: Store
) -> None:
    stage = '[stages]\n[[stages.bands]]\nat_least = 0\nentitlements = ["{0}"]\n'
    texts = {
        "t1": POLICY_TEXT + stage.format("reject_claim"),
        "t2": POLICY_TEXT.replace('"t1"', '"t2"') + stage.format("store_limit"),
    }
    for name, text in texts.items():
        (home / f"{name}.toml").write_text(text)
    (export / "stores.csv").write_text("store_id,experience_score\ns0,4.6\n")
    ringfence("load", export)
    ringfence("detect")
    assert ringfence("policy", "publish", "t1.toml").code == 0
    key = "k" * 40
    settings = ApiSettings(poll_seconds=0.01, graphiql_assets=Path("/nonexistent"))
    app = create_app(store, token_key=key, keyer=None, policy=default_policy(), follow=True, settings=settings)
    query = """{ run { id policy } store(id: "s0") { entitlements { policyVersion granted } }
      purchaseLimit(buyerId: "b00", storeId: "s0") { runId } }"""
    granted = {"t1": ["REJECT_CLAIM"], "t2": ["STORE_LIMIT"]}
    seen: set[str] = set()
    wrong: list[Any] = []
    stop = threading.Event()
    with TestClient(app) as client:
        token = make_token(key, "investigator", subject="test", now=time.time_ns() // 1000, ttl=600)

        def read() -> None:
            while not stop.is_set():
                response = client.post(
                    "/graphql", json={"query": query}, headers={"authorization": f"Bearer {token}"}
                ).json()
                data = response.get("data") or {}
                version = (data.get("run") or {}).get("policy")
                seen.add(version)
                same = data and data["run"]["id"] == data["purchaseLimit"]["runId"]
                stores = (data.get("store") or {}).get("entitlements")
                if not same or stores != {"policyVersion": version, "granted": granted.get(version)}:
                    wrong.append(response)

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        assert ringfence("policy", "publish", "t2.toml").code == 0
        for _ in range(5):
            time.sleep(0.1)
            assert ringfence("policy", "rollback").code == 0
        time.sleep(0.1)
        stop.set()
        for reader in readers:
            reader.join()
    assert not wrong, json.dumps(wrong[0])
    assert {"t1", "t2"} <= seen
