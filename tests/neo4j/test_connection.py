"""Refusals before a store is opened: a server that is too old, and certificates that do not hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.errors import StoreProblem
from graph.neo4j import connection
from graph.open import CA_VARIABLE, open_store


def test_a_server_that_is_too_old_is_refused_by_name(neo4j_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "OLDEST", (9999, 0))
    with pytest.raises(StoreProblem, match=r"the server is Neo4j \d+\.\d+"):
        open_store(neo4j_url)


@pytest.mark.parametrize("scheme", ["bolt", "neo4j", "bolt+s"])
def test_certificates_that_do_not_hold_are_refused(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("missing.pem", None), ("empty.pem", ""), ("no.pem", "no certificate")):
        path = tmp_path / name
        if text is not None:
            path.write_text(text, "utf-8")
        monkeypatch.setenv(CA_VARIABLE, str(path))
        with pytest.raises(StoreProblem, match="its certificates do not hold") as refused:
            open_store(f"{scheme}://user:hunter2@127.0.0.1:1/neo4j")
        assert "hunter2" not in str(refused.value)
