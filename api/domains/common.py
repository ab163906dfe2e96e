"""What the domains share: how arguments and lists are described, and how lists from the store are paged."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Annotated, TypeVar

import numpy as np
import strawberry

from api.context import Context
from api.describe import choice
from api.errors import ApiError, ErrorCode
from api.pages import DEFAULT_PAGE, Connection, Direction, Page, page_of
from api.view import Row, View
from graph.store import RunRecord
from integrity.words import Language as Speaks
from integrity.words import say

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

First = Annotated[
    int, strawberry.argument(description=f"Items on the page; {DEFAULT_PAGE} where not given, at most 100.")
]
After = Annotated[str | None, strawberry.argument(description="Go on behind this cursor; from the start without it.")]


@strawberry.enum(description="Languages in which sentences are told.")
class Language(Enum):
    """Languages of sentences."""

    EN = choice("en", "English.")
    ZH = choice("zh", "Chinese. Sentences that an earlier version stored stay English.")


In = Annotated[Language, strawberry.argument(description="The language of the sentences.")]


def speaks(language: Language) -> Speaks:
    """The language as rendering knows it."""
    return "zh" if language is Language.ZH else "en"


def told(texts: Sequence[str], facts: Sequence[str] | None, language: Language) -> list[str]:
    """Sentences in a language."""
    return say(list(texts), list(facts) if facts else None, speaks(language))


def told_one(text: str | None, fact: str | None, language: Language) -> str | None:
    """A sentence in a language, where there is one."""
    return None if text is None else told([text], [fact] if fact else None, language)[0]


MAX_ID_BYTES = 256
_NO_ID = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def check_id(id_: str, what: str) -> str:
    """The id itself, or `ApiError` BAD_INPUT where it cannot be one: empty, too long, or with control characters."""
    # Characters are counted before bytes: what is short enough in UTF-8 at its worst needs no encoding.
    short = len(id_) <= MAX_ID_BYTES // 4 or len(id_.encode("utf-8", "surrogatepass")) <= MAX_ID_BYTES
    if not id_ or not short or _NO_ID.search(id_):
        raise ApiError(ErrorCode.BAD_INPUT, f"{what} is 1 to {MAX_ID_BYTES} bytes of text without control characters")
    return id_


def need_run(view: View) -> RunRecord:
    """The published run, or `ApiError` NO_RUN."""
    if view.run is None:
        raise ApiError(ErrorCode.NO_RUN, "no run has been published yet; start one with ringfence detect")
    return view.run


def page_rows(
    context: Context,
    name: str,
    rows: Sequence[Row],
    id_column: str,
    *,
    first: int,
    after: str | None,
    key: Callable[[Row], float | int | None] | None = None,
    missing: float = -1.0,
    direction: Direction = Direction.ASC,
) -> tuple[list[Row], Page]:
    """A page over rows given in order of id: the page's rows, and the page. `missing` stands for a null key."""
    keys = None
    if key is not None:
        keys = np.array([missing if (value := key(row)) is None else value for row in rows], dtype=np.float64)
    page = page_of(
        name,
        [row[id_column] for row in rows],
        first=first,
        after=after,
        limit=context.settings.max_page,
        keys=keys,
        direction=direction,
    )
    return [rows[number] for number in page.rows], page


def page_texts(
    context: Context, name: str, texts: Sequence[str], *, first: int, after: str | None
) -> tuple[list[str], Page]:
    """A page over ids given in code-point order."""
    page = page_of(name, texts, first=first, after=after, limit=context.settings.max_page)
    return [texts[number] for number in page.rows], page


__all__ = ["After", "Connection", "Direction", "First", "check_id", "need_run", "page_rows", "page_texts"]
