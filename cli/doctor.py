"""The command doctor: what is well with the store and what is not, for people and for scripts."""

from __future__ import annotations

import os
from dataclasses import asdict

import typer

from cli.common import AsJson, Namespace, StoreUrl, answer, keyer, now_us, table
from cli.settings import KEY, NAMESPACE
from graph.open import default_url, masked_url
from integrity.doctor import examine, worst


def doctor(store: StoreUrl = "", namespace: Namespace = "", as_json: AsJson = False) -> None:
    """Check the store: reached, version, rights, constraints, leases, clock, space, last load and run.

    Ends with 0 where nothing is wrong (warnings aside), 5 where only the key is, 6 for any other problem."""
    url = store or default_url(os.environ)
    name = namespace or os.environ.get(NAMESPACE, "") or "default"
    fingerprint = keyer(namespace, os.environ).fingerprint() if os.environ.get(KEY) else None
    found = examine(url, masked_url(url), namespace=name, fingerprint=fingerprint, now=now_us())
    problem = worst(found)
    told = {"ok": problem is None, "checks": [asdict(one) for one in found]}

    def text() -> None:
        marks = {"ok": "ok", "warning": "warning", "problem": "PROBLEM"}
        rows: list[tuple[object, ...]] = [(marks[one.state], one.name, one.found, one.do) for one in found]
        table("", "", "found", "what to do", rows=rows)

    answer(told, as_json, text)
    if problem is not None:
        raise typer.Exit(problem.exit_code)
