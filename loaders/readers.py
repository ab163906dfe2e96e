"""Reads many raw identifiers at once, beside the main work where that pays: reading them is half of a load's computing.

The readers are child processes that are given raw values through a pipe and answer with canonical forms and masks; they
have no key, write nothing, and end when the pipe closes, so that none outlives a killed load. What they answer
depends on the text alone: with or without them the result is the same.
"""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO

import orjson

from loaders.normalise.address import Address, parse_address
from loaders.normalise.ip import ip_prefix
from loaders.normalise.masks import mask_address, mask_canonical
from loaders.normalise.simple import SIMPLE

Columns = dict[str, list[str | None]]
"""What was read, by name, in the order of the texts: `canonical`, `masked` and for IPs `prefix`; for addresses
`masked`, `level`, `city` and the six canonical strings of `PARTS`."""

PARTS = ("door", "building", "estate", "bare_door", "bare_building", "bare_estate")
CHUNK = 4_000
"""Values handed to a reader at a time."""

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1:]; from loaders.readers import serve; "
    "serve(sys.stdin.buffer, sys.stdout.buffer)"
)


def read(kind: str, texts: Sequence[str]) -> Columns:
    """Canonical forms and masks of values of one kind. Raises ValueError for a kind that is none."""
    if kind == "address":
        return _addresses(texts)
    normalise = SIMPLE.get(kind)
    if normalise is None:
        raise ValueError(f"unknown kind of identifier {kind!r}: use one of {', '.join((*sorted(SIMPLE), 'address'))}")
    canonical = [normalise(text) for text in texts]
    pairs = zip(texts, canonical, strict=True)
    columns: Columns = {"canonical": canonical, "masked": [mask_canonical(kind, text, form) for text, form in pairs]}
    if kind == "ip":
        columns["prefix"] = [None if form is None else ip_prefix(form) for form in canonical]
    return columns


def _addresses(texts: Sequence[str]) -> Columns:
    parsed = [parse_address(text) for text in texts]
    columns: Columns = {
        "masked": [mask_address(text, address) for text, address in zip(texts, parsed, strict=True)],
        "level": [address.level for address in parsed],
    }
    by_field = zip(*parsed, strict=True) if parsed else iter([()] * len(Address._fields))
    whole = dict(zip(Address._fields, map(list, by_field), strict=True))
    return columns | {name: whole[name] for name in ("city", *PARTS)}


def serve(asked: IO[bytes], answers: IO[bytes]) -> None:
    """A reader's life: a line of JSON [kind, values] in, a line of what was read out, until the input ends."""
    # what reading makes is freed by counting references: looking for cycles only takes time
    gc.disable()
    for line in asked:
        answers.write(orjson.dumps(read(*orjson.loads(line))) + b"\n")
        answers.flush()


class Readers:
    """Reads lists of values, in child processes if there are any. `processes` 0 reads them here.

    Close it when done; a reader that fails is replaced by reading here."""

    def __init__(self, processes: int) -> None:
        self._free: queue.SimpleQueue[subprocess.Popen[bytes] | None] = queue.SimpleQueue()
        self._children: list[subprocess.Popen[bytes]] = []
        for _ in range(processes):
            child = _start()
            self._free.put(child)
            if child is not None:
                self._children.append(child)
        self._threads = ThreadPoolExecutor(processes, "readers") if processes else None

    def ask(self, kind: str, texts: Sequence[str]) -> list[Future[Columns]]:
        """Begin to read; the futures hold what was read, chunk by chunk."""
        chunks = [texts[at : at + CHUNK] for at in range(0, len(texts), CHUNK)]
        if self._threads is None:
            return [_done(read(kind, chunk)) for chunk in chunks]
        return [self._threads.submit(self._read, kind, chunk) for chunk in chunks]

    def close(self) -> None:
        """End the readers."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        for child in self._children:
            with contextlib.suppress(OSError):
                assert child.stdin is not None
                child.stdin.close()
            assert child.stdout is not None
            child.stdout.close()
            child.wait()
        self._children.clear()

    def _read(self, kind: str, texts: Sequence[str]) -> Columns:
        child = self._free.get()
        try:
            if child is not None and child.stdin is not None and child.stdout is not None:
                with contextlib.suppress(OSError, ValueError):
                    child.stdin.write(orjson.dumps([kind, texts]) + b"\n")
                    child.stdin.flush()
                    columns: Columns = orjson.loads(child.stdout.readline())
                    return columns
                child = None
            return read(kind, texts)
        finally:
            self._free.put(child)


def gathered(futures: Sequence[Future[Columns]]) -> Columns:
    """What was read of all chunks, one after the other."""
    whole: Columns = {}
    for future in futures:
        for name, values in future.result().items():
            whole.setdefault(name, []).extend(values)
    return whole


def _done(columns: Columns) -> Future[Columns]:
    future: Future[Columns] = Future()
    future.set_result(columns)
    return future


def _start() -> subprocess.Popen[bytes] | None:
    """A reader, or None where no process can be started."""
    # the key is no business of a reader; a session of its own keeps Ctrl-C for the parent
    env = {name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")}
    try:
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            start_new_session=True,
        )
    except (OSError, ValueError):
        return None
