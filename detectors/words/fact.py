"""A fact: which sentence is to be said, and the numbers and names in it. It is stored beside the English sentence, and
any language is rendered from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from detectors.words import chinese, english

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")
_JSON: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True)
_SPEAKS: Final = {"en": english.SAYS, "zh": chinese.SAYS}


@dataclass(frozen=True)
class Fact:
    """One statement. `say` names it among `english.SAYS`; `values` are numbers, texts and lists of them."""

    say: str
    values: Mapping[str, Any]

    def text(self, language: Language = "en") -> str:
        """The statement as a sentence."""
        return _SPEAKS[language][self.say](self.values)

    def stored(self) -> str:
        """As JSON, for a run's tables."""
        return _JSON.encode({"say": self.say, **self.values})


def fact(say: str, **values: Any) -> Fact:
    """A fact of these values."""
    return Fact(say, values)


def read_fact(stored: str) -> Fact:
    """The fact that a run's table holds."""
    values: dict[str, Any] = json.loads(stored)
    return Fact(values.pop("say"), values)
