"""What the resolvers of one request share: the token, one view of the run, batched reads, and who was seen."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import strawberry
from strawberry.dataloader import DataLoader

from api.errors import ApiError, ErrorCode
from api.keying import Keyer
from api.settings import ApiSettings
from api.state import State
from api.tokens import Token
from api.view import Row, View
from integrity.acts import Actor
from integrity.policy import Policy

StartRun = Callable[..., str | None]
"""`start_run(as_of=…)` begins a detection run outside this process's way and returns its reference, or None where one
is under way already."""


class Context:
    """One request. Everything read through it is of one head."""

    def __init__(
        self, state: State, token: Token, *, keyer: Keyer | None, start_run: StartRun | None, request_id: str = ""
    ) -> None:
        self.state, self.token, self.start_run = state, token, start_run
        self._keyer = keyer
        self.request_id = request_id or secrets.token_hex(8)
        self._view: View | None = None
        self.seen: set[tuple[str, str]] = set()
        self._loaders: dict[tuple[str, str], DataLoader[Any, Any]] = {}
        self._made: dict[tuple[str, ...], Any] = {}

    @property
    def settings(self) -> ApiSettings:
        """The server's limits."""
        return self.state.settings

    @property
    def own_store(self) -> str:
        """The store that the token speaks for; `ApiError` FORBIDDEN where it speaks for none."""
        if self.token.store_id is None:
            raise ApiError(ErrorCode.FORBIDDEN, "the token speaks for no store", status=403)
        return self.token.store_id

    @property
    def actor(self) -> Actor:
        """Who acts, for the book of acts."""
        return Actor(self.token.subject, self.token.role.value, self.token.store_id)

    @property
    def policy(self) -> Policy:
        """The policy that the published run was decided by; before any run the server's."""
        published = self.view.published
        return self.state.policy if published is None else published.facts.policy

    @property
    def view(self) -> View:
        """The one view of this request, taken when first asked for."""
        if self._view is None:
            self._view = self.state.view()
        return self._view

    @property
    def keyer(self) -> Keyer:
        """Whoever holds the pseudonymisation key; `ApiError` NO_KEY where the server was started without it."""
        if self._keyer is None:
            raise ApiError(
                ErrorCode.NO_KEY, "the server has no RINGFENCE_KEY, so it cannot look up raw identifiers", status=503
            )
        return self._keyer

    @property
    def has_key(self) -> bool:
        """Whether raw identifiers can be keyed."""
        return self._keyer is not None

    def saw(self, kind: str, what: str) -> None:
        """Note for the audit that a person or a person's record was shown."""
        self.seen.add((kind, what))

    def once(self, key: tuple[str, ...], make: Callable[[], Any]) -> Any:
        """What `make` gives, computed once a request."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    # -- batched reads -----------------------------------------------------------------------------------------

    def find(self, table: str, column: str, values: Sequence[str | bytes], *, columns: Sequence[str] = ()) -> list[Row]:
        """Visible rows of a table by value, at this head; `ApiError` TOO_EXPENSIVE where they are too many."""
        limit = self.settings.max_user_rows
        rows = self.view.store.find(
            table, column, values, columns=columns, limit=limit + 1, known_by=self.view.head.load
        )
        if rows.num_rows > limit:
            raise ApiError(
                ErrorCode.TOO_EXPENSIVE, f"this list rests on more than {limit} records; narrow the query down"
            )
        return rows.to_pylist()

    def one(self, table: str, id_column: str) -> DataLoader[str, Row | None]:
        """Rows by id, batched; None where there is none."""

        async def load(ids: list[str]) -> list[Row | None]:
            found = {row[id_column]: row for row in self.find(table, id_column, sorted(set(ids)))}
            return [found.get(id_) for id_ in ids]

        return self.loader((table, id_column), load)

    def many(self, table: str, column: str) -> DataLoader[str, list[Row]]:
        """Rows by an indexed column, batched, each list by id."""

        async def load(values: list[str]) -> list[list[Row]]:
            groups: dict[str, list[Row]] = defaultdict(list)
            for row in self.find(table, column, sorted(set(values))):
                groups[row[column]].append(row)
            return [groups[value] for value in values]

        return self.loader((table, column), load)

    def loader(self, key: tuple[str, str], load: Callable[[list[Any]], Awaitable[list[Any]]]) -> DataLoader[Any, Any]:
        if key not in self._loaders:
            self._loaders[key] = DataLoader(load_fn=load)
        return self._loaders[key]


Info = strawberry.Info[Context, None]
"""What a resolver is handed."""
