"""What the commands share: options, opening the store, keys from the environment, and the way answers are printed."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.settings import NAMESPACE, POLICY, STORE
from graph.errors import BadInput, LeaseHeld
from graph.open import default_url, open_store
from graph.store import Store

if TYPE_CHECKING:
    from integrity.policy import Policy
    from loaders.keying import Keyer

_STORE_HELP = f"URL of the store; default {STORE}, then a file in the user's data folder."

StoreUrl = Annotated[str, typer.Option("--store", metavar="URL", help=_STORE_HELP, show_default=False)]
Namespace = Annotated[
    str, typer.Option("--namespace", help=f"Namespace within the store; default {NAMESPACE}.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
PolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        help=f"Policy file; default {POLICY}, then the published policy.",
    ),
]
RunId = Annotated[str | None, typer.Option("--run", metavar="RUN", help="Run to read; default the published one.")]
Wait = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for another load or run to end.")]


def now_us() -> int:
    """The wall clock, UTC microseconds."""
    return time.time_ns() // 1000


def holder(what: str) -> str:
    """How this process signs a lease: what it does, and its process on its host."""
    return f"{what} (process {os.getpid()} on {socket.gethostname()})"


def say(text: str) -> None:
    """A line for a person on standard error, where it doesn't disturb the answer."""
    typer.echo(text, err=True)


def waiting(error: LeaseHeld) -> None:
    """Tell that, and for whom, the command waits."""
    say(f"waiting: {error}")


@contextmanager
def opened(
    url: str, namespace: str, *, create: bool = False, readonly: bool = False, patience: float | None = None
) -> Iterator[Store]:
    """The store of a command, closed at its end. Reading commands don't make a store that isn't there."""
    env = os.environ
    store = open_store(
        url or default_url(env),
        namespace=namespace or env.get(NAMESPACE, "") or "default",
        create=create,
        readonly=readonly,
        patience=patience,
    )
    try:
        yield store
    finally:
        store.close()


def keyer(namespace: str, env: Mapping[str, str]) -> Keyer:
    """The pseudonymisation key of the environment. Raises `KeyProblem`."""
    from loaders.keying import Keyer

    return Keyer.from_env(env, namespace or env.get(NAMESPACE, "") or "default")


def give_way() -> None:
    """Lower this process's priority: loads and runs may take their time, a checkout on the same host may not."""
    with suppress(OSError, AttributeError):  # not every system has or allows it, and the work is the same without
        os.nice(10)


def policy_path(file: Path | None) -> Path | None:
    """The policy file that was named, on the command line or in the environment."""
    named = os.environ.get(POLICY, "")
    return file if file is not None else Path(named) if named else None


def chosen_policy(file: Path | None, store: Store | None = None) -> Policy:
    """The policy of the file that was named; else the one published in the store, else the default one."""
    from integrity.policy import default_policy, load_policy
    from integrity.policy_book import PolicyBook

    path = policy_path(file)
    if path is not None or store is None:
        return load_policy(path)
    published = PolicyBook(store).in_force()
    return default_policy() if published is None else published.policy


def ruling_policy(file: Path | None, store: Store) -> Policy:
    """The policy that answers rest on, as a server of the store has it: that of the file that was named, else the one
    that the published run was decided by, else the one in force."""
    from integrity.policy_journal import policy_of
    from integrity.publication import find_run

    run = None if store.head().run is None else find_run(store, None)
    if run is None or policy_path(file) is not None:
        return chosen_policy(file, store)
    return policy_of(store, run) or chosen_policy(None, store)


def read_text(path: Path) -> str:
    """The text of a file, or of standard input for `-`. Raises `BadInput` where it can't be read."""
    if str(path) == "-":
        return typer.get_text_stream("stdin").read()
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}", where=str(path), do="give a UTF-8 text file") from None


def json_lines(text: str, where: str) -> Iterator[tuple[str, Any]]:
    """The values of JSON Lines, each with its place for an error; empty lines are passed over. Raises `BadInput`."""
    for number, line in enumerate(text.splitlines(), 1):
        place = f"{where}, line {number}"
        if line.strip():
            try:
                said = json.loads(line)
            except json.JSONDecodeError as error:
                raise BadInput(f"is no JSON: {error}", where=place, do="write an object a line") from None
            yield place, said


def answer(data: Any, as_json: bool, text: Callable[[], None]) -> None:
    """Print an answer: `data` as JSON where asked for, else what `text` prints."""
    if as_json:
        typer.echo(json.dumps(data, ensure_ascii=False, indent=2, default=_plain))
    else:
        text()


def table(*columns: str, rows: list[tuple[object, ...]], title: str | None = None) -> None:
    """Print a table for people; numbers to the right. Ids are shown whole, whatever the width."""
    drawn = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for position, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[position], int | float) for row in rows)
        drawn.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=False)
    for row in rows:
        drawn.add_row(*(_cell(value) for value in row))
    console = Console(file=sys.stdout, markup=False, highlight=False, emoji=False)
    if console.is_terminal:
        console.print(drawn)
        return
    # for files and pipes: as wide as it needs to be, and nothing after the last letter of a line
    console.width = 10_000
    with console.capture() as captured:
        console.print(drawn)
    typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no JSON form")
