"""How well two writings of one door are recognised: pairwise precision and recall over generated places × writings.

Run `python -m benchmarks.addresses [--places N] [--seed S]`; the exit code is 1 where the targets (precision 0.999,
recall 0.97) are missed. A writing without a city, of an estate that the sample knows in several, must be keyed apart:
it counts as wrong where it is joined to a writing with a city, and is left out otherwise.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.address_writings import KINDS, Writing, generate

PRECISION_TARGET = 0.999
RECALL_TARGET = 0.97


@dataclass(frozen=True, slots=True)
class Score:
    """Pairs of writings: rightly joined, wrongly joined, missed."""

    joined: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of the joined pairs that are one door; 1 where none is joined."""
        total = self.joined + self.wrong
        return self.joined / total if total else 1.0

    @property
    def recall(self) -> float:
        """Share of the pairs of one door that are joined; 1 where there is none."""
        total = self.joined + self.missed
        return self.joined / total if total else 1.0


def score(writings: Sequence[Writing], keys: Sequence[bytes | None]) -> Score:
    """Compare the grouping by key with the truth; None joins nothing. Linear in the writings, not in pairs."""
    truth = Counter(writing.place for writing in writings if not writing.ambiguous)
    clusters: dict[bytes, Counter[int]] = defaultdict(Counter)
    strays: Counter[bytes] = Counter()
    for writing, key in zip(writings, keys, strict=True):
        if key is None:
            continue
        if writing.ambiguous:
            strays[key] += 1
        else:
            clusters[key][writing.place] += 1
    pairs = sum(count * (count - 1) // 2 for count in truth.values())
    joined = wrong = 0
    for key, cluster in clusters.items():
        size = sum(cluster.values())
        right = sum(count * (count - 1) // 2 for count in cluster.values())
        joined += right
        wrong += size * (size - 1) // 2 - right + size * strays[key]
    return Score(joined, wrong, pairs - joined)


def measure(texts: Sequence[str]) -> list[bytes | None]:
    """Each text's door key as loading and snapshot make it: parsed, keyed, cities resolved over the sample."""
    import polars as pl

    from graph.places import resolve_places
    from loaders.keying import Keyer, address_identifiers

    values = pl.Series("value", list(texts), dtype=pl.String)
    found = Keyer(b"a key of the benchmark, 32 bytes or more").identify("address", values)
    mapping = resolve_places(address_identifiers(found))
    keys = (
        values.to_frame()
        .join(found.select("value", "door"), on="value", how="left", maintain_order="left")
        .join(mapping, left_on="door", right_on="key", how="left", maintain_order="left")
    )
    doors: list[bytes | None] = keys["canonical"].to_list()
    return doors


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of kinds; see the module for the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.addresses", description=__doc__)
    parser.add_argument("--places", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=0, help="print so many wrong and missed pairs")
    options = parser.parse_args(arguments)
    writings = generate(options.places, options.seed)
    keys = measure([writing.text for writing in writings])
    total = score(writings, keys)
    print(f"{'kind':<12}{'writings':>9}{'precision':>11}{'recall':>9}")
    for kind in KINDS:
        chosen = [index for index, writing in enumerate(writings) if writing.kind == kind]
        part = score([writings[index] for index in chosen], [keys[index] for index in chosen])
        print(f"{kind:<12}{len(chosen):>9}{part.precision:>11.5f}{part.recall:>9.4f}")
    print(f"{'all':<12}{len(writings):>9}{total.precision:>11.5f}{total.recall:>9.4f}")
    _show(writings, keys, options.show)
    return 0 if total.precision >= PRECISION_TARGET and total.recall >= RECALL_TARGET else 1


def _show(writings: Sequence[Writing], keys: Sequence[bytes | None], count: int) -> None:
    """Print up to `count` missed and `count` wrong pairs, to learn from."""
    by_place: dict[int, list[int]] = defaultdict(list)
    by_key: dict[bytes, list[int]] = defaultdict(list)
    for index, (writing, key) in enumerate(zip(writings, keys, strict=True)):
        if not writing.ambiguous:
            by_place[writing.place].append(index)
        if key is not None:
            by_key[key].append(index)
    pairs: list[tuple[str, int, int]] = []
    for members in by_place.values():
        usual = Counter(keys[index] for index in members).most_common(1)[0][0]
        first = next(index for index in members if keys[index] == usual)
        pairs += [("missed", first, index) for index in members if keys[index] != usual][:count]
    for members in by_key.values():
        plain = [index for index in members if not writings[index].ambiguous]
        for index in members if plain else []:
            if writings[index].ambiguous or writings[index].place != writings[plain[0]].place:
                pairs.append(("wrong", plain[0], index))
    for label in ("missed", "wrong"):
        for _, first, second in [pair for pair in pairs if pair[0] == label][:count]:
            print(f"{label:<8}{writings[first].text!r}\n        {writings[second].text!r}")


if __name__ == "__main__":
    sys.exit(main())
