"""Turns the pictures of a claim into sorted 64-bit perceptual hashes.

A part of the `evidence` column is 16 hex digits, kept as given, or a file name below the folder's `evidence/`, hashed
here: the DCT hash of ImageHash (`phash`, 8 x 8 of a 32 x 32 picture; Zauner 2010, "Implementation and benchmarking
of perceptual image hash functions"). A part that is neither breaks its row.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import imagehash
import polars as pl
from PIL import Image

from loaders.values import Parsed

_HASH = re.compile(r"[0-9a-fA-F]{16}")
_HASHES = re.compile(r"^[0-9a-fA-F]{16}(?:;[0-9a-fA-F]{16}){0,63}$")
MAX_PIXELS = 100_000_000
MAX_PICTURES = 64
_REMEMBERED = 100_000


class Pictures:
    """Hashes of the pictures below one folder's `evidence/`; remembers file names already hashed (a bounded number)."""

    def __init__(self, folder: Path) -> None:
        self._root = (folder / "evidence").resolve()
        self._known: dict[str, tuple[str, str]] = {}
        self.met = False
        """Whether a claim named a file."""

    def parse(self, text: pl.Series) -> Parsed:
        """Text column to lists of hashes (null where empty), sorted and without repeats, and the broken rules."""
        plain = text.str.contains(_HASHES.pattern)
        hashes = _lists(text.set(~plain, None).str.to_lowercase())
        others = text.set(plain.fill_null(value=False), None)
        if others.null_count() == len(others):
            return Parsed(hashes)
        given = others.drop_nulls().unique()
        parsed = [self._one(value) for value in given]
        table = pl.DataFrame(
            {"raw": given, "hashes": [found for found, _ in parsed], "rule": [rule or None for _, rule in parsed]},
            schema={"raw": pl.String, "hashes": pl.List(pl.String), "rule": pl.String},
        )
        joined = others.to_frame("raw").join(table, on="raw", how="left", maintain_order="left")
        rules = joined["rule"]
        both = pl.DataFrame([hashes.alias("a"), joined["hashes"].alias("b")]).select(pl.coalesce("a", "b")).to_series()
        return Parsed(both, rules if rules.null_count() < len(rules) else None)

    def _one(self, value: str) -> tuple[list[str] | None, str]:
        parts = [part.strip() for part in value.split(";") if part.strip()]
        if len(parts) > MAX_PICTURES:
            return None, f"names more than {MAX_PICTURES} pictures"
        hashes: set[str] = set()
        for part in parts:
            if _HASH.fullmatch(part):
                hashes.add(part.lower())
                continue
            digest, rule = self._file(part)
            if rule:
                return None, rule
            hashes.add(digest)
        return sorted(hashes) or None, ""

    def _file(self, name: str) -> tuple[str, str]:
        """Hash of a picture file, or the rule that it breaks."""
        self.met = True
        if name not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[name] = self._hash(name)
        return self._known[name]

    def _hash(self, name: str) -> tuple[str, str]:
        try:
            path = (self._root / name).resolve()
        except (OSError, ValueError, RuntimeError):
            return "", "is neither 16 hex digits nor a picture below evidence/"
        if not path.is_relative_to(self._root):
            return "", "leads outside evidence/"
        if not path.is_file():
            return "", "is neither 16 hex digits nor a picture below evidence/"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(path) as picture:
                    if picture.width * picture.height > MAX_PIXELS:
                        return "", "is a picture of too many pixels"
                    return str(imagehash.phash(picture)), ""
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
            return "", "is no picture that can be read"


def _lists(text: pl.Series) -> pl.Series:
    """`;`-joined text as sorted lists without repeats (null stays null), by exploding all lists at once."""
    parts = text.to_frame("hash").with_row_index("row").drop_nulls()
    if text.str.contains(";", literal=True).any():
        parts = (
            parts.with_columns(pl.col("hash").str.split(";"))
            .explode("hash", empty_as_null=True)
            .unique()
            .sort("row", "hash")
        )
    lists = parts.group_by("row", maintain_order=True).agg("hash")
    rows = pl.DataFrame({"row": pl.Series(range(len(text)), dtype=pl.UInt32)})
    return rows.join(lists, on="row", how="left", maintain_order="left")["hash"]
