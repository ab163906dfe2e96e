"""The journal of what people wrote about somebody: each text beside its salt, under the digest over both.

Whoever refers to a text names the digest, so that the text can be erased and the reference stays; without the salt the
digest tells nothing of the text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

TEXTS: Final = "texts"
FORMER: Final = ("appeal_texts", "case_notes")
"""Journals in which stores before schema version 4 kept such texts, by ids of their own."""


def text_digest(salt: str, text: str | Sequence[str]) -> str:
    """SHA-256 over the salt and the text, in hex; of several texts over their JSON form."""
    plain = text if isinstance(text, str) else json.dumps(list(text), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(f"{salt}{plain}".encode("utf-8", "surrogatepass")).hexdigest()


def row_digest(body: str) -> str:
    """The digest under which a row of this body stands."""
    told: dict[str, Any] = json.loads(body)
    return text_digest(told["salt"], told["text"])
