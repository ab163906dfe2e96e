"""The application: /graphql, /healthz, /readyz, /metrics and GraphiQL's static files, over one store.

`create_app` builds it and touches nothing; its lifespan opens the worker threads and starts watching the store.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.requests import Request
from starlette.routing import Route

from api.context import StartRun
from api.engine import Engine
from api.graphiql import GraphiQL
from api.http import GraphQLEndpoint, Receive, Scope, Send
from api.keying import Keyer
from api.metrics import CONTENT_TYPE, check_metrics_token, may_scrape
from api.schema import core_schema
from api.settings import ApiSettings
from api.state import State, wall_clock
from api.tokens import Verifier
from graph.store import Store
from integrity.policy import Policy
from integrity.version import ringfence_version

_SWITCH_SECONDS = 0.001


def create_app(
    store: Store,
    *,
    token_key: str,
    keyer: Keyer | None,
    policy: Policy,
    follow: bool = False,
    metrics_token: str = "",
    start_run: StartRun | None = None,
    now: Callable[[], int] = wall_clock,
    clock: Callable[[], int] = wall_clock,
    settings: ApiSettings | None = None,
    audit_key: str = "",
) -> FastAPI:
    """The ASGI application over an open store.

    `keyer` keys raw identifiers (without it `identifier` and the identifiers of purchases are refused); `policy` is the
    one in force, and with `follow` the published run's is in its place once there is one; `start_run` begins a
    detection run outside this process and returns a reference, or None where one is under way. `now` is the instant
    that purchase limits are answered for, `clock` the one by which tokens expire, audit lines are dated and runs age:
    they differ only where old data is tried. Both give UTC microseconds. `metrics_token` is what `/metrics` asks for;
    without one it is not served. `audit_key` signs the acts of people; without it they are chained and not signed.

    Raises `KeyProblem` for a missing or short token key, and for a short metrics token."""
    settings = settings or ApiSettings()
    check_metrics_token(metrics_token)
    state = State(store, policy, now=now, clock=clock, settings=settings, audit_key=audit_key, follow=follow)
    verifier = Verifier(token_key, now=clock, revoked=state.revoked)
    graphiql = GraphiQL(settings.graphiql_assets)

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        response = await graphiql.page(Request(scope))
        await response(scope, receive, send)

    endpoint = GraphQLEndpoint(
        Engine(core_schema(), settings), state, verifier, keyer=keyer, start_run=start_run, page=page
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        state.start()
        endpoint.start()
        # The schema and the run never become garbage; leaving them out of collections spares checkout the pauses.
        gc.freeze()
        # Workers hand the interpreter over this often, so that a large page delays checkout by no more.
        before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            yield
        finally:
            sys.setswitchinterval(before)
            gc.unfreeze()
            endpoint.stop()
            state.stop()

    async def healthz(_request: Request) -> JSONResponse:
        health = state.health()
        return JSONResponse(asdict(health), status_code=200 if health.ok else 503)

    async def readyz(_request: Request) -> JSONResponse:
        return JSONResponse({"ready": state.ready}, status_code=200 if state.ready else 503)

    async def metrics(request: Request) -> Response:
        if not metrics_token:
            return Response("metrics are served where RINGFENCE_METRICS_TOKEN is set\n", status_code=404)
        if not may_scrape(request.headers.get("authorization"), metrics_token):
            return Response("a bearer token is needed\n", status_code=401, headers={"www-authenticate": "Bearer"})
        return Response(state.metrics.text(), headers={"content-type": CONTENT_TYPE})

    async def root(_request: Request) -> RedirectResponse:
        return RedirectResponse("/graphql")

    # FastAPI's own documentation pages load scripts from a CDN, and there is no other HTTP API to document.
    app = _Front(
        endpoint,
        title="Ringfence",
        version=ringfence_version(),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
    )
    app.router.routes += [
        Route("/", root, methods=["GET"]),
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        Route("/graphiql/{name}", graphiql.asset, methods=["GET"]),
    ]
    return app


class _Front(FastAPI):
    """FastAPI with /graphql before its middleware, none of which that endpoint needs."""

    def __init__(self, endpoint: GraphQLEndpoint, **options: Any) -> None:
        super().__init__(**options)
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI call."""
        if scope["type"] == "http" and scope["path"] == "/graphql":
            await self._endpoint(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
