"""kill -9 at any moment of a load, a detection or a publication: the store opens again, readers see the last published
run, and the same command again ends where an undisturbed one would."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.faults.support import Desk, kill, wait_for

LONGEST = {"load": 0.5, "detect": 0.8, "publish": 0.02}
"""How long after it took its lease the command may be killed, in seconds: about as long as it works."""
FIXED = [("load", 0.0), ("load", 0.2), ("detect", 0.0), ("detect", 0.3), ("publish", 0.0)]


def drawn(count: int) -> list[tuple[str, float]]:
    """Moments by a fixed seed, of all commands alike."""
    draw = random.Random(20241231)
    return [(command, round(draw.random() * LONGEST[command], 4)) for command in (list(LONGEST) * count)[:count]]


def try_moment(
    command: str, delay: float, published: Desk, loaded_twice: Desk, undisturbed: Desk, folder: Path, market: Path
) -> bool:
    """Kill `command` so many seconds after it took its lease; tells whether that was before it was done."""
    origin = published if command == "load" else loaded_twice
    desk = origin.copy(folder)
    if command == "publish":
        words: tuple[object, ...] = ("publish", desk.done("detect", "--no-publish", "--json").json["run"]["run_id"])
    else:
        words = ("load", market) if command == "load" else ("detect",)
    before, after = desk.seen(), undisturbed.seen()
    process = desk.start(*words)
    lease = "load" if command == "load" else "run"
    wait_for(lambda: desk.holds(lease) or process.poll() is not None)
    time.sleep(delay)
    kill(process)

    seen = desk.seen()
    assert {what: seen[what] for what in desk.exports()} in ({w: s[w] for w in desk.exports()} for s in (before, after))
    rows = {name: seen[name] for name in desk.rows()}
    assert rows in ({name: one[name] for name in rows} for one in (before, after))
    early: bool = seen["head"] == before["head"]
    if early:
        assert seen == before
    if early and desk.holds(lease):
        # until its lease ends, the dead process is named to whoever comes
        ran = desk(*words)
        assert ran.code == 4
        assert f"ringfence {command} (process {process.pid} on " in ran.told
        assert "until" in ran.told
    desk.let_leases_end()
    desk.done(*words)
    if command == "load":
        desk.done("detect")
    again = desk.seen()
    assert {**again, "head": None} == {**after, "head": None}
    return early


@pytest.mark.parametrize(("command", "delay"), FIXED)
def test_killed_at_a_moment_the_store_holds_what_was_committed(
    command: str,
    delay: float,
    published: Desk,
    loaded_twice: Desk,
    undisturbed: Desk,
    tmp_path: Path,
    second_market: Path,
) -> None:
    early = try_moment(command, delay, published, loaded_twice, undisturbed, tmp_path / "desk", second_market)
    # a kill as soon as the lease is there comes before the end of the work on any machine
    assert early or delay > 0.0 or command == "publish"


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killed_at_fifty_moments_the_store_holds_what_was_committed(
    published: Desk, loaded_twice: Desk, undisturbed: Desk, tmp_path: Path, second_market: Path
) -> None:
    early = [
        try_moment(command, delay, published, loaded_twice, undisturbed, tmp_path / f"desk-{number}", second_market)
        for number, (command, delay) in enumerate(drawn(50))
    ]
    assert sum(early) >= 10, "most kills came too late to try anything"


@pytest.mark.soak
def test_the_lease_of_a_killed_load_ends_by_itself(published: Desk, second_market: Path, tmp_path: Path) -> None:
    desk = published.copy(tmp_path / "desk")
    process = desk.start("load", second_market)
    wait_for(lambda: desk.holds("load"))
    kill(process)
    began = time.monotonic()
    ran = desk.done("load", second_market, "--wait", 40)
    assert "waiting: " in ran.err
    assert time.monotonic() - began < 35
