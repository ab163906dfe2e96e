"""The demonstration ends by itself, has asked the API, and leaves what it takes to serve it again."""

from __future__ import annotations

import stat
from pathlib import Path

from cli.found import compare, found_in, read_truth
from graph.store import Store
from integrity.runs import run_detection
from tests.cli.conftest import Command
from tests.integrity.hand import NOW, load_market, market_findings, policy


def test_the_demonstration_goes_the_whole_way(ringfence: Command, home: Path) -> None:
    ran = ringfence("demo", "--buyers", 2500, "--folder", home / "show")
    assert ran.code == 0, ran.err
    for part in (
        "planted rings found",
        "honest accounts limited",
        "Evidence, heaviest first",
        '"purchaseLimit"',
        '"risk"',
    ):
        assert part in ran.out
    assert f"serve --store sqlite:///{home / 'show' / 'ringfence.db'}" in ran.out
    keys = home / "show" / "keys.env"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    for line in keys.read_text().splitlines():
        assert line.partition("=")[2] not in ran.out + ran.err


def test_the_demonstration_can_be_kept_in_a_store_of_ones_own(ringfence: Command, home: Path) -> None:
    url = f"sqlite:///{home / 'mine.db'}"
    words = ("demo", "--buyers", 500, "--folder", home / "show", "--store", url, "--namespace", "shown")
    ran = ringfence(*words)
    assert ran.code == 0, ran.err
    assert "serve --namespace shown" in ran.out
    assert not (home / "show" / "ringfence.db").exists()
    again = ringfence(*words)
    assert (again.code, "namespace shown: holds something already" in again.err) == (3, True)


def test_a_folder_with_something_else_in_it_is_left_alone(ringfence: Command, home: Path) -> None:
    (home / "mine").mkdir()
    (home / "mine" / "thesis.txt").write_text("precious")
    assert ringfence("demo", "--folder", home / "mine").code == 3
    assert (home / "mine" / "thesis.txt").read_text() == "precious"


def test_a_planted_ring_is_found_where_half_of_it_lies_in_a_ring_that_is_at_least_half_it() -> None:
    ring = frozenset("abcd")
    assert found_in(ring, [{"a"}, {"a", "b", "x", "y"}]) == 1
    assert found_in(ring, [{"a", "b", "x", "y", "z"}]) is None
    assert found_in(ring, [{"a"}]) is None
    assert found_in(ring, []) is None


def test_found_is_held_against_planted(store: Store, home: Path) -> None:
    load_market(store)
    found = market_findings()
    run_detection(store, policy=policy(), now=lambda: NOW, holder="test", as_of=NOW, detect=lambda *_: found)
    truth = home / "truth.csv"
    truth.write_text("buyer_id,abuser,kind,ring_id\nactor,1,farm,r1\nshopper,1,farm,r1\nlone,0,,\nmother,0,flatmate,\n")
    counted = compare(store, read_truth(truth))
    assert (counted.rings_planted, counted.rings_found, counted.rings_published, counted.rings_true) == (1, 1, 1, 1)
    assert (counted.abusers, counted.abusers_limited, counted.abusers_watched) == (2, 1, 0)
    assert (counted.honest, counted.honest_limited) == (2, 1)
