"""The name of an assessed claim: all that the assessment rests on, and a fingerprint of what came of it.

A look-up writes nothing, so the name carries what a replay needs. Whoever acts on an assessment keeps its name.
"""

from __future__ import annotations

from dataclasses import dataclass

from graph.errors import BadInput

_ROOM, _NONE = "claim", "-"
_LONGEST, _MOST = 2_000, 1 << 62


@dataclass(frozen=True)
class Reference:
    """The claim; the run (None: none was published), the load that was known and the number of acts done; the instant
    (UTC microseconds); the first 16 hex digits of the policy's digest, the version of Ringfence, and the fingerprint
    of what was said."""

    refund_id: str
    run_id: str | None
    load: int
    acts: int
    now: int
    policy: str
    version: str
    said: str

    @property
    def text(self) -> str:
        """As it is written down."""
        parts = (self.run_id or _NONE, self.load, self.acts, self.now, self.policy, self.version, self.said)
        return ":".join((_ROOM, self.refund_id, *map(str, parts)))

    @staticmethod
    def of(text: str) -> Reference:
        """What `text` names. Raises `BadInput`."""
        room, _, rest = text.partition(":")
        parts = rest.rsplit(":", 7)
        try:
            if room != _ROOM or len(parts) != 8 or not parts[0] or len(text) > _LONGEST:
                raise ValueError
            refund, run, load, acts, now, policy, version, said = parts
            numbers = int(load), int(acts), int(now)
            if not all(0 <= number < _MOST for number in numbers):
                raise ValueError
            return Reference(refund, None if run == _NONE else run, *numbers, policy, version, said)
        except ValueError:
            raise BadInput(
                "is no reference of an assessed claim",
                where=text[:80],
                do="give it as `ringfence assess --json` or `assessClaim { reference }` told it",
            ) from None
