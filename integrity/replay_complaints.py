"""Replay of what triage made of a complaint: weighed once more from what its act recorded, and compared.

An act of filing records the load and the run that were known, the instant, the policy's rules and the version; what had
been filed and decided before is the book up to that act. The run has to be kept, and the same version installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from graph.errors import BadInput, NotFound
from graph.store import Head, Store
from integrity.acts import Act, Book, fingerprint
from integrity.complaints import FILED, ComplaintFold, told_of, triaged
from integrity.forgetting import forgotten_since
from integrity.policy import Complaints as Rules
from integrity.publication import find_run
from integrity.standing import tally
from integrity.triage import Reported, ground
from integrity.version import ringfence_version


@dataclass(frozen=True)
class ReplayedComplaint:
    """Outcome: whether triage says the same, the fingerprints recorded and of now, and what it says now; `forgotten`
    counts how often somebody was forgotten since, whose records then tell less."""

    complaint_id: str
    run_id: str | None
    same: bool
    recorded: str
    again: str
    said: Mapping[str, Any]
    forgotten: int

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return asdict(self)


def replay_complaint(store: Store, complaint_id: str) -> ReplayedComplaint:
    """Weigh a complaint that was filed here once more. Raises `NotFound` for an unknown one or where its run was
    dropped, `BadInput` where another version weighed it; `Tampered`."""
    act, number = _filing(store, complaint_id)
    basis = act.body.get("basis", {"version": "an earlier one"})
    if basis["version"] != ringfence_version():
        raise BadInput(
            f"was weighed by version {basis['version']}, this is {ringfence_version()}",
            where=complaint_id,
            do="install that version to replay it; one that records no basis can't be replayed",
        )
    run_id = basis["run_id"]
    head = Head(basis["load"], None if run_id is None else find_run(store, run_id).run_id)
    fold = ComplaintFold()
    Book(store, [fold], until=act.n - 1, words=False).refresh()
    counted = tally(store, known_by=head.load)
    for fate in fold.told:
        counted.take(fate)
    told = act.body["complaints"]
    reported = [
        (Reported(one["complaint_id"], one["refund_id"], one["type"], basis["now"]), one["buyer_id"], one["store_id"])
        for one in told
    ]
    base = ground(store, head, counted.standings())
    again = told_of(triaged(base, fold, reported, Rules.model_validate(basis["rules"]))[number])
    was = {name: told[number][name] for name in again}
    gone = forgotten_since(store, act.n)
    return ReplayedComplaint(complaint_id, run_id, was == again, fingerprint(was), fingerprint(again), again, gone)


def _filing(store: Store, complaint_id: str) -> tuple[Act, int]:
    """The act that filed a complaint, and which of its complaints it is."""
    book = Book(store)
    book.refresh()
    for act in book.acts:
        if act.kind == FILED:
            for number, told in enumerate(act.body["complaints"]):
                if told["complaint_id"] == complaint_id:
                    return act, number
    raise NotFound(f"no complaint {complaint_id!r} was filed here", where=store.url, do="see the list of complaints")
