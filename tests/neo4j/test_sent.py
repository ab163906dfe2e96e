"""What this process knows to have sent, so that the server need not be asked."""

from __future__ import annotations

from graph.neo4j.sent import Sent


def test_ids_are_fresh_once_and_never_where_one_comes_twice() -> None:
    sent = Sent()
    assert sent.fresh("run_decisions", ["a", "b"])
    assert not sent.fresh("run_decisions", ["b", "c"])
    # what was sent and perhaps not written counts as sent: it is looked for when it is sent again
    assert not sent.fresh("run_decisions", ["c"])
    assert sent.fresh("run_accounts", ["a"])
    assert not sent.fresh("run_members", ["m", "m"])
    assert not sent.fresh("run_members", ["m"])
    assert sent.fresh("run_members", [])
    assert sent.met("run_decisions", ["a", "x", "c"]) == ["a", "c"]
