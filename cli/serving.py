"""Commands of the API: serve, token, revoke."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from cli.common import (
    AsJson,
    Namespace,
    PolicyFile,
    StoreUrl,
    answer,
    chosen_policy,
    keyer,
    now_us,
    opened,
    policy_path,
    say,
)
from cli.duration import seconds
from cli.settings import AUDIT_KEY, KEY, METRICS_TOKEN, NAMESPACE, STORE
from graph.errors import BadInput
from graph.open import default_url
from integrity import run_book
from integrity.instants import from_iso, to_iso
from loaders.keying import ADDRESS_LEVELS, Keyer

TURN = 0.0005
"""Seconds after which the thread that takes up a new run lets requests be answered; Python's own 5 ms are too slow."""

RUN_COMMAND = "from cli.main import main; main()"
"""What a Python of its own runs to be the command `ringfence`."""


class RoleName(Enum):
    """Who a token is for."""

    INVESTIGATOR = "investigator"
    SENIOR_INVESTIGATOR = "senior_investigator"
    STORE = "store"
    AUDITOR = "auditor"
    ORDER_SERVICE = "order_service"
    SCHEDULER = "scheduler"


class IdentifierKeyer:
    """Raw identifiers to row ids, for the API: `api.keying.Keyer` by way of the loaders' `Keyer`."""

    def __init__(self, inner: Keyer) -> None:
        self._inner = inner

    def identifier_ids(self, kind: str, value: str) -> tuple[str, ...]:
        """Row ids of a raw value, the finest place first; empty where it is none of its kind."""
        keys = self._inner.one(kind, value).keys
        if kind == "address":
            return tuple(f"{level}:{keys[level].hex()}" for level in ADDRESS_LEVELS if level in keys)
        return (f"{kind}:{keys[kind].hex()}",) if kind in keys else ()


class Starter:
    """Begins detection runs in a process of their own, one at a time, so that answers are not kept waiting."""

    def __init__(self, url: str, namespace: str, policy: Path | None) -> None:
        self._environment = {**os.environ, STORE: url, NAMESPACE: namespace}
        self._policy = [] if policy is None else ["--policy", str(policy)]
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def __call__(self, *, as_of: int | None = None) -> str | None:
        """Begin a run; returns a reference to it, or None where one that was begun here is still going on."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return None
            reference = run_book.reference()
            moment = [] if as_of is None else ["--as-of", to_iso(as_of)]
            # the store's URL goes by the environment: it may hold a password, and arguments are seen by everybody
            self._process = subprocess.Popen(
                [sys.executable, "-c", RUN_COMMAND, "detect", "--json", "--noted", reference, *moment, *self._policy],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            return reference

    def stop(self) -> None:
        """End a run that is still going on; what it wrote stays invisible."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=30)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at; 0 takes a free one.", min=0, max=65_535)] = 8000,
    policy: PolicyFile = None,
    now: Annotated[
        str | None,
        typer.Option(
            "--now", metavar="INSTANT", help="Answer as if it were this instant, to try old data; time goes on."
        ),
    ] = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
) -> None:
    """Serve the GraphQL API. Needs RINGFENCE_TOKEN_KEY; with RINGFENCE_KEY raw identifiers can be looked up."""
    import uvicorn

    from api.app import create_app
    from api.settings import ApiSettings
    from api.tokens import key_from_env

    token_key, file = key_from_env(os.environ), policy_path(policy)
    clock = shifted_clock(None if now is None else from_iso(now, where="--now"))
    name = namespace or os.environ.get(NAMESPACE, "") or "default"
    settings = ApiSettings()
    with (
        opened(store, namespace, patience=settings.store_seconds) as at,
        _listening(host, port) as listener,
        _ending_by_signal(),
    ):
        chosen = chosen_policy(policy, at)
        starter = Starter(store or default_url(os.environ), name, file)
        app = create_app(
            at,
            token_key=token_key,
            keyer=identifier_keyer(namespace, os.environ),
            policy=chosen,
            follow=file is None,
            start_run=starter,
            now=clock,
            settings=settings,
            metrics_token=os.environ.get(METRICS_TOKEN, ""),
            audit_key=os.environ.get(AUDIT_KEY, ""),
        )
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=5
        )
        say(f"serving {at.url} at http://{host}:{listener.getsockname()[1]}/graphql")
        sys.setswitchinterval(TURN)
        try:
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            starter.stop()


def token(
    role: Annotated[RoleName, typer.Option(help="What the token may be used for.")],
    subject: Annotated[str, typer.Option(help="The person or service that will use it; stands in the audit journal.")],
    ttl: Annotated[str, typer.Option(metavar="TIME", help="How long it holds: 30m, 8h, 30d.")] = "8h",
    store_id: Annotated[
        str | None, typer.Option(help="The one store that the token speaks for; role `store` needs it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a bearer token, signed with RINGFENCE_TOKEN_KEY, and print it."""
    from api.tokens import decode, key_from_env, make_token

    key = key_from_env(os.environ)
    text = make_token(
        key, role.value, subject=subject, now=now_us(), ttl=seconds(ttl, where="--ttl"), store_id=store_id
    )
    made = decode(key, text)
    data = {
        "token": text,
        "id": made.jti,
        "role": role.value,
        "subject": subject,
        "expires_at": to_iso(made.expires_at),
    }
    answer(data, as_json, lambda: typer.echo(text))


def revoke_token(
    which: Annotated[str, typer.Argument(metavar="TOKEN", help="The token, or its id as `token --json` prints it.")],
    by: Annotated[str, typer.Option(help="Who revokes it.")] = "command line",
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Revoke a token before it expires; servers of the store notice within a second."""
    from api.tokens import decode, key_from_env, revoke

    jti = decode(key_from_env(os.environ), which).jti if which.count(".") == 2 else which
    with opened(store, namespace) as at:
        revoke(at, jti, at=now_us(), by=by)
    answer({"revoked": jti}, as_json, lambda: typer.echo(f"{jti} is revoked"))


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens. Raises `BadInput` where the address can't be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise BadInput(f"cannot listen: {error}", where=f"{host}:{port}", do="choose another --port") from None
    with listener:
        yield listener


@contextmanager
def _ending_by_signal() -> Iterator[None]:
    """SIGTERM and Ctrl-C are how a server ends: exit code 0, with everything closed on the way out.

    Uvicorn hands a signal on to who held it before, once its last answers are out."""

    def end(_number: int, _frame: object) -> None:
        raise typer.Exit(0)

    before = {one: signal.signal(one, end) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def shifted_clock(start: int | None) -> Callable[[], int]:
    """The wall clock, or one that is at `start` now and goes on from there."""
    if start is None:
        return now_us
    shift = start - now_us()
    return lambda: now_us() + shift


def identifier_keyer(namespace: str, env: Mapping[str, str]) -> IdentifierKeyer | None:
    """The keyer where `RINGFENCE_KEY` is set; without it the API says that raw identifiers cannot be looked up."""
    return IdentifierKeyer(keyer(namespace, env)) if env.get(KEY) else None
