"""Relay-style pages over lists that are sorted by a key and then by id.

A cursor holds the key and the id of its item, so it stays right when items come or go between two pages, and it
names its list and order, so that one of another list is refused. Clients treat it as opaque.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import orjson
import strawberry

from api.describe import choice
from api.errors import ApiError, ErrorCode

DEFAULT_PAGE = 20

T = TypeVar("T")


@strawberry.enum(description="Which end of a list comes first.")
class Direction(Enum):
    """Sort directions."""

    ASC = choice("ASC", "Smallest, or earliest, first.")
    DESC = choice("DESC", "Largest, or latest, first.")


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    """Relay's PageInfo; pages go forward."""

    has_next_page: bool = strawberry.field(description="Whether more follows; ask with `after: endCursor`.")
    has_previous_page: bool = strawberry.field(description="Whether anything comes before this page.")
    start_cursor: str | None = strawberry.field(description="Cursor of the page's first item.")
    end_cursor: str | None = strawberry.field(description="Cursor of the page's last item.")


@strawberry.type(description="An item of a list, with its cursor.")
class Edge(Generic[T]):
    """Relay's edge."""

    cursor: str = strawberry.field(description="Opaque; pass it as `after` to go on behind this item.")
    node: T = strawberry.field(description="The item.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    """Relay's connection, with the size of the whole list."""

    edges: list[Edge[T]] = strawberry.field(description="The page's items in order.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")
    total_count: int = strawberry.field(description="Items in the whole list, all pages together.")


@dataclass(frozen=True)
class Page:
    """A cut of a list: `rows` are positions in the list as given, `cursors` belong to them one by one."""

    rows: list[int]
    cursors: list[str]
    total: int
    before: bool
    after: bool

    def of(self, nodes: Sequence[T]) -> Connection[T]:
        """The connection of this page's nodes, given in the order of `rows`."""
        return Connection(
            edges=[Edge(cursor=cursor, node=node) for cursor, node in zip(self.cursors, nodes, strict=True)],
            page_info=PageInfo(
                has_next_page=self.after,
                has_previous_page=self.before,
                start_cursor=self.cursors[0] if self.cursors else None,
                end_cursor=self.cursors[-1] if self.cursors else None,
            ),
            total_count=self.total,
        )


def encode_cursor(name: str, key: float | int, id_: str) -> str:
    """The cursor of the item with this key and id in the list and order called `name`."""
    return base64.urlsafe_b64encode(orjson.dumps([name, key, id_])).decode().rstrip("=")


def decode_cursor(name: str, cursor: str) -> tuple[float | int, str]:
    """Key and id of a cursor; `ApiError` BAD_CURSOR where it is none of this list and order."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        whose, key, id_ = orjson.loads(raw)
    except (ValueError, TypeError, binascii.Error) as error:
        raise ApiError(ErrorCode.BAD_CURSOR, "`after` is not a cursor") from error
    number = isinstance(key, (int, float)) and not isinstance(key, bool) and math.isfinite(key)
    if whose != name or not number or not isinstance(id_, str):
        raise ApiError(ErrorCode.BAD_CURSOR, "`after` is a cursor of another list or order; start without it")
    return key, id_


def check_first(first: int, limit: int) -> int:
    """The page size, or `ApiError` where it is outside 0 … limit."""
    if first < 0:
        raise ApiError(ErrorCode.BAD_INPUT, "`first` must not be negative")
    if first > limit:
        raise ApiError(ErrorCode.TOO_EXPENSIVE, f"`first` is at most {limit}")
    return first


def page_of(
    name: str,
    ids: Sequence[str],
    *,
    first: int,
    after: str | None,
    limit: int,
    keys: npt.NDArray[Any] | None = None,
    direction: Direction = Direction.ASC,
    chosen: npt.NDArray[np.bool_] | None = None,
) -> Page:
    """One page of a list.

    `ids` (n,) in code-point order; `keys` (n,) finite numbers to sort by, none for order by id; `chosen` (n,) the
    filter. Ties are in order of id. `name` identifies the list and its filter-free order to cursors."""
    check_first(first, limit)
    signed = np.zeros(len(ids)) if keys is None else (-keys if direction is Direction.DESC else keys)
    rows = np.arange(len(ids)) if chosen is None else np.flatnonzero(chosen)
    rows = rows[np.argsort(signed[rows], kind="stable")]
    mark = f"{name}:{direction.value}"
    start = 0
    if after is not None:
        key, id_ = decode_cursor(mark, after)
        pivot = -key if direction is Direction.DESC else key
        behind = bisect.bisect_right(ids, id_) - 1  # the last row whose id is not behind the cursor's
        values = signed[rows]
        start = int(np.count_nonzero((values < pivot) | ((values == pivot) & (rows <= behind))))
    cut = [int(row) for row in rows[start : start + first]]
    cursors = [encode_cursor(mark, 0 if keys is None else keys[row].item(), ids[row]) for row in cut]
    return Page(cut, cursors, len(rows), before=start > 0, after=start + len(cut) < len(rows))
