"""POST /graphql as a bare ASGI endpoint: token, body, engine, JSON.

A purchase limit that memory alone answers (an account that was judged and is not limited: nearly all of them) is
answered on the event loop at once; one that may read the store runs on a thread kept for checkout. Reservations wait on
the loop for a transaction that they share. All else (parsing a
new query included) runs on a few worker threads, each with an event loop of its own for batched reads, so that an
investigator's large page does not stand in the way of checkout.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import orjson

from api.context import Context, StartRun
from api.engine import Answer, Engine, Operation, Prepared, refusal
from api.errors import ApiError, ErrorCode, internal
from api.keying import Keyer
from api.metrics import kind_of
from api.settings import ApiSettings
from api.state import State
from api.tokens import Role, Token, Verifier

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
T = TypeVar("T")
_KIND = "ringfence.kind"
"""Where a request's scope keeps what kind of field it asked."""

_JSON = (b"content-type", b"application/json; charset=utf-8")
_CONSTANT: list[tuple[bytes, bytes]] = [_JSON, (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class GraphQLEndpoint:
    """The ASGI application behind /graphql."""

    def __init__(
        self,
        engine: Engine,
        state: State,
        verifier: Verifier,
        *,
        keyer: Keyer | None,
        start_run: StartRun | None,
        page: Callable[[Scope, Receive, Send], Awaitable[None]],
    ) -> None:
        self._engine, self._state, self._verifier = engine, state, verifier
        self._keyer, self._start_run, self._page = keyer, start_run, page
        self._local = threading.local()
        self._loops: list[asyncio.AbstractEventLoop] = []
        self._pool: ThreadPoolExecutor | None = None
        self._checkout: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Open the worker threads."""
        self._pool = ThreadPoolExecutor(self._settings.workers, thread_name_prefix="graphql")
        self._checkout = ThreadPoolExecutor(1, thread_name_prefix="checkout")

    def stop(self) -> None:
        """Let running requests end and close the worker threads and their loops."""
        for pool in (self._pool, self._checkout):
            if pool is not None:
                pool.shutdown(wait=True)
        self._pool = self._checkout = None
        for loop in self._loops:
            loop.close()
        self._loops.clear()

    @property
    def _settings(self) -> ApiSettings:
        return self._engine.settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD"):
            await self._page(scope, receive, send)
            return
        began = time.perf_counter()
        status, headers, answer = 200, _CONSTANT, Answer()
        try:
            answer = await self._answer(scope, receive)
        except ApiError as error:
            status, answer = error.status, refusal(error)
            if status == 401:
                headers = [*headers, (b"www-authenticate", b"Bearer")]
        except Exception as error:  # noqa: BLE001  # whatever it is, the client gets a correlation id and nothing else
            status = 500
            answer = refusal(ApiError(ErrorCode.INTERNAL, internal(error), status=status))
        body = orjson.dumps(answer)
        outcome = (
            "failed" if status >= 500 else "refused" if status >= 400 else "errors" if "errors" in answer else "ok"
        )
        self._state.metrics.answered(scope.get(_KIND, "none"), outcome, time.perf_counter() - began)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, (b"content-length", str(len(body)).encode())],
            }
        )
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        authorization = content_type = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value.decode("latin-1")
            elif name == b"content-type":
                content_type = value.decode("latin-1")
        token = self._verifier.verify(authorization)
        if scope["method"] != "POST":
            raise ApiError(ErrorCode.BAD_REQUEST, "send queries by POST", status=405)
        if (content_type or "").partition(";")[0].strip().lower() != "application/json":
            raise ApiError(ErrorCode.BAD_REQUEST, "send JSON: Content-Type: application/json", status=415)
        text, variables, name = _request(await self._body(receive))
        prepared = self._engine.cached(text)
        if prepared is None:
            prepared = await _on(self._pool, self._engine.prepare, text)
        operation = prepared.operation(name)
        scope[_KIND] = kind_of(operation.fields)
        self._engine.check(operation, token, variables)
        if operation.awaited:
            context = Context(self._state, token, keyer=self._keyer, start_run=self._start_run)
            return await self._engine.execute_here(prepared, operation, variables, context)
        # An investigator's look-up waits for its audit line, so it never runs on the loop.
        if not operation.inline or token.role is not Role.ORDER_SERVICE:
            return await _on(self._pool, self._run_in_worker, prepared, operation, variables, token)
        if self._in_memory(variables):
            return self._run(prepared, operation, variables, token, None)
        return await _on(self._checkout, self._run, prepared, operation, variables, token, None)

    def _in_memory(self, variables: dict[str, Any]) -> bool:
        """Whether a purchase limit with these variables is surely answered without the store.

        Judged by any variable that is a judged buyer's id, since queries name theirs as they like; a wrong guess costs
        time and no more."""
        published = self._state.desk.published
        if published is None:
            return True
        texts = [value for value in variables.values() if isinstance(value, str)]
        return any(text in published.decisions for text in texts) and published.limited.isdisjoint(texts)

    async def _body(self, receive: Receive) -> bytes:
        message = await receive()
        body: bytes = message.get("body", b"")
        while message.get("more_body") and len(body) <= self._settings.max_body_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ApiError(ErrorCode.BAD_REQUEST, "the client went away")
            body += message.get("body", b"")
        if len(body) > self._settings.max_body_bytes:
            raise ApiError(
                ErrorCode.TOO_EXPENSIVE, f"the body is larger than {self._settings.max_body_bytes} bytes", status=413
            )
        return body

    def _run_in_worker(
        self, prepared: Prepared, operation: Operation, variables: dict[str, Any], token: Token
    ) -> Answer:
        loop = getattr(self._local, "loop", None)
        if loop is None or loop.is_closed():
            loop = self._local.loop = asyncio.new_event_loop()
            self._loops.append(loop)
        return self._run(prepared, operation, variables, token, loop)

    def _run(
        self,
        prepared: Prepared,
        operation: Operation,
        variables: dict[str, Any],
        token: Token,
        loop: asyncio.AbstractEventLoop | None,
    ) -> Answer:
        context = Context(self._state, token, keyer=self._keyer, start_run=self._start_run)
        return self._engine.execute(prepared, operation, variables, context, loop)


async def _on(pool: ThreadPoolExecutor | None, work: Callable[..., T], *arguments: Any) -> T:
    assert pool is not None  # the application's lifespan has called start
    return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)


def _request(body: bytes) -> tuple[str, dict[str, Any], str | None]:
    """Query text, variables and operation name of a request's body; `ApiError` BAD_REQUEST for any other shape."""
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ApiError(ErrorCode.BAD_REQUEST, "the body is not JSON") from error
    if isinstance(message, list):
        raise ApiError(ErrorCode.BAD_REQUEST, "one request at a time; ask purchaseLimits for many buyers")
    if not isinstance(message, dict) or not isinstance(message.get("query"), str):
        raise ApiError(ErrorCode.BAD_REQUEST, "the body is a JSON object with `query`, and may have `variables`")
    variables, name = message.get("variables"), message.get("operationName")
    if not isinstance(variables, dict | None) or not isinstance(name, str | None):
        raise ApiError(ErrorCode.BAD_REQUEST, "`variables` is an object and `operationName` is text")
    return message["query"], variables or {}, name or None
