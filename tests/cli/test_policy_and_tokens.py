"""Policies checked, shown and tried; tokens made and revoked; settings listed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from api.tokens import decode
from cli.duration import seconds
from cli.serving import IdentifierKeyer, shifted_clock
from graph.errors import BadInput
from graph.store import Store
from integrity.policy import default_policy, parse_policy
from loaders.keying import Keyer
from tests.cli.conftest import KEY, Command
from tests.integrity.hand import POLICY_TEXT

TOKEN_KEY = "a signing key of the tests, long enough"


def test_the_default_policy_is_shown_as_a_file_that_holds(ringfence: Command, home: Path) -> None:
    mine = home / "mine.toml"
    mine.write_text(ringfence("policy", "show").out)
    checked = ringfence("policy", "check", mine, "--json").json
    assert checked == {"version": default_policy().version, "digest": default_policy().digest, "doubts": []}
    mine.write_text(POLICY_TEXT)
    assert "in doubt: publication.max_limited_share" in ringfence("policy", "check", mine).out


def test_the_policy_in_force_can_come_from_the_environment(
    ringfence: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "mine.toml").write_text(POLICY_TEXT)
    monkeypatch.setenv("RINGFENCE_POLICY", str(home / "mine.toml"))
    assert ringfence("policy", "show", "--json").json["version"] == parse_policy(POLICY_TEXT, where="test").version


def test_a_broken_policy_names_field_and_value(ringfence: Command, home: Path) -> None:
    (home / "bad.toml").write_text(POLICY_TEXT.replace("quantity_per_item = 2", 'quantity_per_item = "two"'))
    ran = ringfence("policy", "check", home / "bad.toml")
    assert ran.code == 3
    assert "limits.platform.quantity_per_item" in ran.err
    assert "'two'" in ran.err


def test_a_policy_is_tried_on_a_run_before_it_is_used(
    ringfence: Command, export: Path, home: Path, store: Store
) -> None:
    ringfence("load", export)
    ringfence("detect")
    watchful = home / "watchful.toml"
    watchful.write_text(POLICY_TEXT + "\n[statuses]\nwatch_risk = 0.0\n")
    tried = ringfence("policy", "try", watchful, "--json").json
    assert tried["accounts"] == 160
    assert all(one["before"] == "CLEAR" for one in tried["changes"] if one["after"] == "WATCH")
    assert len(store.runs()) == 1
    assert ringfence("policy", "try", watchful).code == 0


def test_a_token_is_made_for_a_role_and_expires(ringfence: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGFENCE_TOKEN_KEY", TOKEN_KEY)
    made = ringfence("token", "--role", "order_service", "--subject", "till", "--ttl", "30m", "--json").json
    token = decode(TOKEN_KEY, made["token"])
    assert (token.role.value, token.subject, token.jti) == ("order_service", "till", made["id"])
    plain = ringfence("token", "--role", "investigator", "--subject", "me", "--store-id", "s1").out.strip()
    assert decode(TOKEN_KEY, plain).store_id == "s1"


def test_a_token_needs_a_key_and_a_known_role(ringfence: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ringfence("token", "--role", "investigator", "--subject", "me").code == 5
    monkeypatch.setenv("RINGFENCE_TOKEN_KEY", TOKEN_KEY)
    assert ringfence("token", "--role", "king", "--subject", "me").code == 2


def test_a_token_is_revoked_by_itself_or_by_its_id(
    ringfence: Command, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    monkeypatch.setenv("RINGFENCE_TOKEN_KEY", TOKEN_KEY)
    made = ringfence("token", "--role", "scheduler", "--subject", "cron", "--json").json
    assert ringfence("revoke", made["token"], "--json").json == {"revoked": made["id"]}
    assert ringfence("revoke", "another-id").code == 0
    assert store.notes("revoked_tokens")["id"].to_pylist() == [made["id"], "another-id"]


def test_settings_are_listed_without_secrets(ringfence: Command) -> None:
    listed = {one["variable"]: one["set to"] for one in ringfence("settings", "--json").json}
    assert listed["RINGFENCE_KEY"] == "set"
    assert listed["RINGFENCE_STORE"].startswith("sqlite:///")
    assert listed["RINGFENCE_TOKEN_KEY"] == ""
    assert KEY not in ringfence("settings").out


def test_serving_needs_a_token_key(ringfence: Command, export: Path) -> None:
    ringfence("load", export)
    ran = ringfence("serve", "--port", "0")
    assert ran.code == 5
    assert "RINGFENCE_TOKEN_KEY" in ran.err


def test_a_server_answers_at_the_port_it_names_and_ends_cleanly_on_sigterm(
    ringfence: Command, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ringfence("load", export)
    monkeypatch.setenv("RINGFENCE_TOKEN_KEY", TOKEN_KEY)
    process = subprocess.Popen(
        [sys.executable, "-c", "from cli.main import main; main()", "serve", "--port", "0"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        address = process.stderr.readline().split()[-1]
        with urlopen(address.replace("/graphql", "/healthz"), timeout=30) as response:
            health = json.loads(response.read())
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert health["ok"]
    assert process.returncode == 0, err


def test_a_port_that_is_taken_is_named(ringfence: Command, export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ringfence("load", export)
    monkeypatch.setenv("RINGFENCE_TOKEN_KEY", TOKEN_KEY)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = ringfence("serve", "--port", port)
    assert ran.code == 3
    assert str(port) in ran.err


@pytest.mark.parametrize(("text", "length"), [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("2d", 172_800)])
def test_lengths_of_time_are_read(text: str, length: int) -> None:
    assert seconds(text, where="test") == length


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "0s", "1 h", "1h?"])
def test_other_lengths_of_time_are_refused(text: str) -> None:
    with pytest.raises(BadInput):
        seconds(text, where="test")


def test_a_shifted_clock_starts_where_it_was_told_and_goes_on() -> None:
    clock = shifted_clock(5_000_000)
    first = clock()
    assert 5_000_000 <= first < 15_000_000
    assert clock() >= first


def test_raw_identifiers_become_the_row_ids_that_loading_gave_them() -> None:
    inner = Keyer(KEY)
    keyed = IdentifierKeyer(inner)
    assert keyed.identifier_ids("device", "abc") == (f"device:{inner.key('device', 'abc').hex()}",)
    places = keyed.identifier_ids("address", "杭州市西湖区阳光花园3幢2单元501室")
    assert [place.partition(":")[0] for place in places] == ["door", "building", "estate"]
    assert keyed.identifier_ids("address", "   ") == ()
