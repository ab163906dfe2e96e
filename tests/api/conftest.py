"""The API over a real store with the hand-made market, asked over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.settings import ApiSettings
from api.tokens import make_token
from graph.open import open_store
from graph.store import Store
from integrity.policy import Policy, default_policy
from tests.api import market

TOKEN_KEY = "t" * 40


@dataclass
class Asked:
    """The API as a client sees it: `ask` as a role, and what came back."""

    client: TestClient
    clock: list[int]
    started: list[int | None]

    def token(self, role: str, **more: Any) -> str:
        if role == "store":
            more = {"store_id": "s-1"} | more
        return make_token(TOKEN_KEY, role, subject=f"test {role}", **({"now": self.clock[0], "ttl": 60} | more))

    def post(self, body: Any, *, token: str | None, **more: Any) -> Any:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return self.client.post("/graphql", json=body, headers=headers, **more)

    def ask(self, query: str, *, role: str = "investigator", **variables: Any) -> dict[str, Any]:
        """The whole answer, errors and all."""
        response = self.post({"query": query, "variables": variables}, token=self.token(role))
        answer: dict[str, Any] = response.json()
        assert "Traceback" not in response.text
        return answer

    def data(self, query: str, *, role: str = "investigator", **variables: Any) -> dict[str, Any]:
        """The data of an answer without errors."""
        answer = self.ask(query, role=role, **variables)
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def code(self, query: str, *, role: str = "investigator", **variables: Any) -> str:
        """The code of the first error."""
        answer = self.ask(query, role=role, **variables)
        code: str = answer["errors"][0]["extensions"]["code"]
        return code


Serve = Callable[..., Asked]


def patient(policy: Policy, **checkout: Any) -> Policy:
    """The policy with a deadline that a slow machine keeps too, and other changes of its checkout section."""
    changed = {"deadline_ms": 20_000, **checkout}
    return policy.model_copy(update={"checkout": policy.checkout.model_copy(update=changed)})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'market.db'}")
    yield opened
    opened.close()


@contextmanager
def serving(store: Store) -> Iterator[Serve]:
    """Starts the API over `store`, with settings changed as asked, as often as asked; all of it ends with the block."""
    clients: list[TestClient] = []

    def start(**options: Any) -> Asked:
        clock, started = [market.NOW], []
        settings = replace(
            ApiSettings(poll_seconds=0.02, audit_seconds=0.02, graphiql_assets=Path("/nonexistent")),
            **options.pop("settings", {}),
        )

        def start_run(*, as_of: int | None = None) -> str | None:
            started.append(as_of)
            return f"work {len(started)}"

        arguments: dict[str, Any] = {
            "token_key": TOKEN_KEY,
            "keyer": market.IDENTIFIERS,
            "policy": patient(default_policy()),
            "start_run": start_run,
            "now": lambda: clock[0],
            "clock": lambda: clock[0],
            "settings": settings,
        }
        app = create_app(store, **(arguments | options))
        client = TestClient(app, raise_server_exceptions=False)
        client.__enter__()
        clients.append(client)
        return Asked(client, clock, started)

    try:
        yield start
    finally:
        for client in clients:
            client.__exit__(None, None, None)


@pytest.fixture
def serve(store: Store) -> Iterator[Serve]:
    """Starts the API over `store`, with settings changed as asked."""
    with serving(store) as start:
        yield start


@pytest.fixture
def api(store: Store, serve: Serve) -> Asked:
    """The API over the market with one published run."""
    market.fill(store)
    market.put_run(store, "run-1")
    return serve()
