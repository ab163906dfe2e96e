"""The demonstration: a simulated market, detected, explained, published, served and asked, in about a minute.

All that it makes lies in one folder, keys included (readable by their owner only); each demonstration starts anew.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import orjson
import typer

from cli.common import holder, now_us, table
from cli.found import compare, found_in, read_truth
from cli.serving import RUN_COMMAND
from cli.settings import AUDIT_KEY, KEY, LOG, NAMESPACE, POLICY, STORE, TOKEN_KEY
from graph.errors import BadInput, RingfenceError
from graph.open import open_store
from graph.store import Store
from integrity.acts import Actor
from integrity.columns import rows_of, texts
from integrity.explain import explain_account, explain_ring
from integrity.explain_text import account_text, ring_text
from integrity.instants import to_iso
from integrity.policy import default_policy
from integrity.publication import find_run
from integrity.run_book import Chosen, publish
from integrity.runs import run_detection
from loaders.keying import Keyer
from loaders.load import load_folder
from simulator.market import simulate

KEYS_FILE = "keys.env"
_EVIDENCE_SHOWN = 6

ACCOUNT_QUERY = """query ($id: ID!) {
  account(id: $id) {
    id status risk claims expectedClaims reasons against
    ring { id confidence amount { amount currency } reasons }
  }
}"""

LIMIT_QUERY = """query ($buyer: ID!, $store: ID!) {
  purchaseLimit(buyerId: $buyer, storeId: $store, quantity: 1, amount: "500.00", currency: "CNY") {
    verdict reason scope binding remainingOrders remainingAmount { amount currency } expiresAt runId countedUntil
  }
}"""


def demo(
    folder: Annotated[
        Path, typer.Option(help="Where all of it is put; an earlier demonstration there is replaced.")
    ] = Path(".demo"),
    buyers: Annotated[int, typer.Option(min=500, help="Accounts in the simulated market.")] = 8000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the market.")] = 11,
    store_url: Annotated[
        str,
        typer.Option(
            "--store",
            metavar="URL",
            help="Keep it in this store, such as a server's; default a file in the folder.",
        ),
    ] = "",
    namespace: Annotated[
        str, typer.Option("--namespace", help="An empty namespace of that store; default a new one.")
    ] = "",
) -> None:
    """Show the whole way on a simulated market: load, detect, explain, publish, serve, ask. Ends by itself."""
    began = time.monotonic()
    url = store_url or f"sqlite:///{folder / 'ringfence.db'}"
    name = namespace or (f"demo {secrets.token_hex(4)}" if store_url else "default")
    if store_url:
        _must_be_empty(url, name)
    keys = _fresh(folder)
    _title(f"1. A market of {buyers:,} accounts, with rings planted in it and honest look-alikes")
    made = simulate(folder / "market", buyers=buyers, seed=seed)
    table("table", "rows", rows=list(made.rows.items()))
    store = open_store(url, namespace=name)
    try:
        _load_and_detect(store, Keyer(keys[KEY], name), made.folder)
        truth = read_truth(made.truth_path)
        _title("3. Found against planted (the truth lies beside the market; nothing above has read it)")
        table("", "found", "of", "share", rows=compare(store, truth).rows())
        ring, account = _worth_a_look(store, [set(members) for members in truth.rings.values()])
        _explain(store, ring, account)
        as_of = find_run(store, None).as_of
        place = _where(store, account)
    finally:
        store.close()
    now = to_iso(as_of)
    environment = {**_bare(os.environ), **keys, STORE: url, NAMESPACE: name, LOG: "lines"}
    _title("6. Asked over HTTP, each with a token of its own role")
    with serving(environment, now) as endpoint:
        _ask(endpoint, keys, "investigator", ACCOUNT_QUERY, {"id": account})
        _ask(endpoint, keys, "order_service", LIMIT_QUERY, {"buyer": account, "store": place})
    _title(f"Done in {time.monotonic() - began:.0f} s. To serve it again, and to make a token for it:")
    program = shlex.quote(sys.argv[0]) if os.sep in sys.argv[0] else "ringfence"
    load_keys = f"set -a; . {shlex.quote(str(folder / KEYS_FILE))}; set +a"
    # a server's URL holds a password, which is printed nowhere
    where = f"--namespace {shlex.quote(name)}" if store_url else f"--store {shlex.quote(url)}"
    if store_url:
        typer.echo(f"(with {STORE} naming the same store)")
    typer.echo(f"{load_keys}; {program} serve {where} --now {now}")
    typer.echo(f"{load_keys}; {program} token --role investigator --subject me")


def _must_be_empty(url: str, namespace: str) -> None:
    """Raise `BadInput` where the namespace of a store that was named holds something."""
    store = open_store(url, namespace=namespace)
    try:
        if store.loads() or "key_fingerprint" in store.meta():
            raise BadInput("holds something already", where=f"namespace {namespace}", do="name another --namespace")
    finally:
        store.close()


def _fresh(folder: Path) -> dict[str, str]:
    """An empty demonstration folder with new keys in it. Raises `BadInput` for a folder that is something else."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / KEYS_FILE).is_file():
            raise BadInput("holds something else than a demonstration", where=str(folder), do="name another --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    keys = {name: secrets.token_urlsafe(32) for name in (KEY, TOKEN_KEY, AUDIT_KEY)}
    handle = os.open(folder / KEYS_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in keys.items())
    return keys


def _load_and_detect(store: Store, key: Keyer, market: Path) -> None:
    _title("2. Loaded (identifiers pseudonymised at the door), detected, decided, published")
    began = time.monotonic()
    report = load_folder(store, key, market, now=now_us(), holder=holder("ringfence demo"))
    loaded = time.monotonic()
    policy = default_policy()
    outcome = run_detection(store, policy=policy, now=now_us, holder=holder("ringfence demo"))
    read = sum(count.read for count in report.tables.values())
    typer.echo(f"load {report.load}: {read:,} rows, {report.quarantined:,} quarantined, {loaded - began:.1f} s")
    typer.echo(
        f"{outcome.run.run_id}: {outcome.state}, {outcome.rings:,} rings, {outcome.limited:,} of {outcome.accounts:,} "
        f"accounts limited, {time.monotonic() - loaded:.1f} s"
    )
    if outcome.state == "held":
        typer.echo(f"held, since it {outcome.run.held_reason}; published by hand, as `ringfence publish` does")
        chosen = Chosen(Actor("ringfence demo", "operator"), outcome.run.as_of, "the demonstration shows what was held")
        publish(store, outcome.run.run_id, chosen, holder=holder("ringfence demo"))


def _worth_a_look(store: Store, planted: list[set[str]]) -> tuple[str | None, str]:
    """A published ring (a planted one, if one was found) and the account in it that is limited at highest risk."""
    run = find_run(store, None).run_id
    rings = rows_of(store.run_rows(run, "run_rings", columns=("ring_id", "members", "confidence")))
    rings.sort(
        key=lambda row: (found_in(frozenset(row["members"]), planted) is None, -row["confidence"], row["ring_id"])
    )
    decided = {row["buyer_id"]: row["status"] for row in rows_of(store.run_rows(run, "run_decisions"))}
    accounts = rows_of(store.run_rows(run, "run_accounts", columns=("buyer_id", "risk", "ring_id")))
    ring = rings[0]["ring_id"] if rings else None
    best = max(
        accounts, key=lambda row: (decided[row["buyer_id"]].endswith("LIMITED"), row["ring_id"] == ring, row["risk"])
    )
    return ring, best["buyer_id"]


def _where(store: Store, account: str) -> str:
    """A store to ask for: where the account is limited, or where it bought."""
    told = explain_account(store, account)
    stores: list[str] = told["decision"]["limit_store_ids"]
    if stores:
        return stores[0]
    bought = store.find("orders", "buyer_id", [account], columns=("store_id",), limit=1)
    return texts(bought, "store_id")[0]


def _explain(store: Store, ring: str | None, account: str) -> None:
    _title("4. A ring, explained")
    if ring is None:
        typer.echo("no ring was published")
    else:
        told = explain_ring(store, ring)
        typer.echo(ring_text({**told, "evidence": told["evidence"][:_EVIDENCE_SHOWN]}))
    _title("5. An account, explained")
    told = explain_account(store, account)
    typer.echo(account_text({**told, "evidence": told["evidence"][:_EVIDENCE_SHOWN]}))


@contextmanager
def serving(environment: Mapping[str, str], now: str) -> Iterator[str]:
    """The API in a process of its own, at a free loopback port, for the length of the body."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    arguments = [sys.executable, "-c", RUN_COMMAND, "serve", "--port", str(port), "--now", now]
    process = subprocess.Popen(arguments, env=dict(environment), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _until_healthy(process, f"http://127.0.0.1:{port}/healthz")
        yield f"http://127.0.0.1:{port}/graphql"
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _until_healthy(process: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(300):
        if process.poll() is not None:
            told = process.communicate()[1].decode(errors="replace").strip()
            raise RingfenceError(f"the server ended at once: {told}", where="demo")
        try:
            with urlopen(url, timeout=2):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RingfenceError(
        "the server did not answer within 30 s", where="demo", do="look at its log with RINGFENCE_DEBUG=1"
    )


def _ask(endpoint: str, keys: Mapping[str, str], role: str, query: str, variables: Mapping[str, str]) -> None:
    from api.tokens import make_token

    text = make_token(keys[TOKEN_KEY], role, subject="demo", now=now_us(), ttl=600)
    body = orjson.dumps({"query": query, "variables": variables})
    headers = {"Authorization": f"Bearer {text}", "Content-Type": "application/json"}
    with urlopen(Request(endpoint, body, headers), timeout=30) as response:
        answered: dict[str, Any] = orjson.loads(response.read())
    typer.echo(f"\n{role} asks {endpoint}\n{query}\n{orjson.dumps(variables).decode()}\n")
    typer.echo(orjson.dumps(answered, option=orjson.OPT_INDENT_2).decode())
    if answered.get("errors"):
        raise RingfenceError("the API answered with errors", where="demo", do="report it with the answer above")


def _bare(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without settings that would lead the server elsewhere."""
    return {name: value for name, value in environment.items() if name not in (NAMESPACE, POLICY, STORE)}


def _title(text: str) -> None:
    typer.secho(f"\n{text}", bold=True)
