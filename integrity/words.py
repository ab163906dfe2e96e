"""How integrity says something: a fact of a code and values is stored, and rendered in English or Chinese when read.

Detection's own facts (`detectors.words`) and the sentences here are rendered by the one function `text_of`.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from detectors.words.fact import Fact, Language, fact, read_fact
from integrity.sentences import NAMES, SENTENCES

__all__ = [
    "Fact",
    "Language",
    "Words",
    "fact",
    "facts_of",
    "name_of",
    "read_fact",
    "reasons_of",
    "say",
    "text_of",
    "texts_of",
]


@dataclass(frozen=True)
class Words:
    """One text in both languages."""

    en: str
    zh: str

    def __add__(self, other: Words) -> Words:
        """Both texts, one after the other."""
        return Words(f"{self.en} {other.en}".strip(), self.zh + other.zh)

    def text(self, language: Language) -> str:
        """The text in a language."""
        return self.zh if language == "zh" else self.en

    def filled(self, until: str) -> Words:
        """The text with its last day written in."""
        return Words(self.en.replace("{until}", until), self.zh.replace("{until}", until))


class _Filling(string.Formatter):
    """Formats values; `{x:past}` is the name of x in `NAMES["past"]`, and what has none stands as it is, in plain
    letters."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec not in NAMES:
            return str(format(value, format_spec))
        return name_of(format_spec, value, self._language)


_FILLING: Final[Mapping[Language, _Filling]] = {"en": _Filling("en"), "zh": _Filling("zh")}


def name_of(kind: str, value: str, language: Language = "en") -> str:
    """What a value of the records is called; one without a name stands as it is, in plain letters."""
    known = NAMES[kind].get(value)
    return value.replace("_", " ") if known is None else known[language == "zh"]


def text_of(stated: Fact, language: Language = "en") -> str:
    """The sentence of a fact. Raises `KeyError` for a code that nobody says."""
    known = SENTENCES.get(stated.say)
    if known is None:
        return stated.text(language)
    return _FILLING[language].vformat(known[language == "zh"], (), stated.values)


def texts_of(stated: Sequence[Fact], language: Language = "en") -> list[str]:
    """The sentences of facts."""
    return [text_of(one, language) for one in stated]


def facts_of(stated: Sequence[Fact]) -> list[str]:
    """Facts as they are stored."""
    return [one.stored() for one in stated]


def say(texts: Sequence[str], facts: Sequence[str] | None, language: Language) -> list[str]:
    """Stored sentences in a language: rendered from their facts where it is not English. What an earlier version stored
    without facts stays English."""
    if language == "en" or not facts:
        return list(texts)
    return [text_of(read_fact(one), language) for one in facts]


def reasons_of(
    first: Fact, texts: Sequence[str] | None = None, facts: Sequence[str] | None = None
) -> dict[str, list[str] | None]:
    """Columns `reasons` and `reason_facts` of a decision: what decided it, then sentences that are stored already, with
    their facts (None where they were stored without: then nothing but English can be told)."""
    more, known = list(texts or ()), list(facts or ())
    return {
        "reasons": [text_of(first), *more],
        "reason_facts": [first.stored(), *known] if len(known) == len(more) else None,
    }
