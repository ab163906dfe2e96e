"""What the commands of people share: who acts, under what key, when, and the book that it goes into."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import now_us, opened, ruling_policy
from cli.settings import AUDIT_KEY

if TYPE_CHECKING:
    from integrity.acts import Actor
    from integrity.affairs import Affairs

By = Annotated[str, typer.Option(help="Who acts; default the user of this machine.", show_default=False)]
Senior = Annotated[bool, typer.Option("--senior", help="Act as a senior investigator.")]
Key = Annotated[str, typer.Option(help="Your own name for this request: the same again changes nothing.")]
Reason = Annotated[str, typer.Option(help="Why; stands in the book of acts.")]
Now = Annotated[
    str | None, typer.Option("--now", metavar="INSTANT", help="Act as if it were this instant, to try old data.")
]


@contextmanager
def acting(url: str, namespace: str, policy: Path | None) -> Iterator[Affairs]:
    """The affairs of a store, read to the last act, for the length of a command."""
    from integrity.affairs import Affairs

    with opened(url, namespace) as at:
        chosen = ruling_policy(policy, at)
        affairs = Affairs(at, lambda: chosen, signing_key=os.environ.get(AUDIT_KEY, ""))
        affairs.book.refresh()
        yield affairs


def person(by: str, senior: bool) -> Actor:
    """Who acts: the one named, or the user of this machine."""
    from integrity.acts import Actor

    return Actor(by or getpass.getuser(), "senior_investigator" if senior else "investigator")


def instant(now: str | None) -> int:
    """The instant that was named, or now; UTC microseconds."""
    from integrity.instants import from_iso

    return now_us() if now is None else from_iso(now, where="--now")
