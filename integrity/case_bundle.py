"""A case as a bundle for a court or the police: one ZIP file, the same bytes for the same case, run and book.

It holds the brief as JSON and Markdown, timeline and evidence as CSV, the ring as SVG and PNG, the acts of the case as
they stand in the book, a manifest with the SHA-256 of each file, the run and policy it rests on and the digest of the
book's last act; and `SHA256SUMS`, which `sha256sum -c` checks. Texts of notes are not in it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from graph.store import Store
from integrity.acts import Act
from integrity.affairs import Affairs
from integrity.case_brief import Brief, brief_text
from integrity.case_drawing import NoDrawing, draw_ring
from integrity.case_queue import RING
from integrity.version import ringfence_version

_FIRST = (1980, 1, 1, 0, 0, 0)
"""The earliest instant that a ZIP file can state; bundles hold no clock."""


def bundle(store: Store, told: Brief, affairs: Affairs) -> bytes:
    """The bundle of a case."""
    files: dict[str, bytes] = {
        "brief.json": _json(told.to_json()),
        "brief.md": brief_text(told).encode("utf-8", "replace"),
        "timeline.csv": _csv(("at", "text", "table", "id"), [one.to_json(told.language) for one in told.timeline]),
        "evidence.csv": _csv(
            ("nats", "buyer_id", "kind", "text", "source_table", "source_id", "shown", "evidence_id"), told.facts
        ),
        "acts.jsonl": b"".join(_act(act) for act in affairs.book.acts if act.subject == told.case.case_id),
    }
    drawing = "the case is about one account"
    if told.case.target == RING:
        tables = [store.run_rows(told.run.run_id, f"run_{name}") for name in ("rings", "members", "evidence")]
        try:
            kinds: tuple[Literal["svg", "png"], ...] = ("svg", "png")
            for kind in kinds:
                files[f"ring.{kind}"] = draw_ring(tables[0], tables[1], tables[2], told.case.target_id, kind)
            drawing = "ring.svg, ring.png"
        except NoDrawing as missing:
            drawing = f"not drawn: {missing.what}"
    files["manifest.json"] = _json(
        {
            "format": 1,
            "case_id": told.case.case_id,
            "made_by": f"ringfence {ringfence_version()}",
            "run_id": told.run.run_id,
            "snapshot_digest": told.run.snapshot_digest,
            "policy_digest": told.run.policy_digest,
            "acts": {"count": len(affairs.book.acts), "head": affairs.book.head},
            "drawing": drawing,
            "files": [
                {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for name, data in sorted(files.items())
            ],
        }
    )
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))
    files["SHA256SUMS"] = sums.encode()
    return _zip(files)


def _zip(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _FIRST)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # the same on every system
            archive.writestr(entry, data, zipfile.ZIP_STORED)
    return out.getvalue()


def _json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, default=_plain)
    return text.encode("utf-8", "replace") + b"\n"


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else list(value)


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row[name] for name in columns] for row in rows)
    return out.getvalue().encode("utf-8", "replace")


def _act(act: Act) -> bytes:
    told = {name: getattr(act, name) for name in act.__dataclass_fields__}
    return json.dumps(told, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace") + b"\n"
