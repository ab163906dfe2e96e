"""What commands that look note of it: a line in the audit journal for each person or record shown, as over GraphQL."""

from __future__ import annotations

import getpass
import secrets
from collections.abc import Iterable

from cli.common import now_us, opened, say
from graph.errors import StoreProblem


def looked(url: str, namespace: str, via: str, seen: Iterable[tuple[str, str]], *, by: str = "") -> None:
    """Note what `via`, a command, shows to `by` (default the user of this machine).

    Called before it is shown. A store that can only be read notes nothing, which is said: whoever holds its files sees
    them without us."""
    from integrity.looked import Looker, note_looked

    looker = Looker(by or getpass.getuser(), "operator")
    try:
        with opened(url, namespace) as at:
            note_looked(at, looker, seen, via=[via], at=now_us(), request=secrets.token_hex(8))
    except StoreProblem as error:
        say(f"not noted in the audit journal: {error}")
