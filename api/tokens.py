"""Bearer tokens: made with PyJWT, HS256 only; they expire, can be revoked, and carry a role.

The signing key is `RINGFENCE_TOKEN_KEY`, any text of at least 32 bytes. Revocations stand in the store's journal
`revoked_tokens` under the token's id (`jti`), so that every server of the store learns of them.
"""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import jwt

from api.errors import ApiError, ErrorCode
from graph.errors import BadInput, KeyProblem
from graph.store import Store

ALGORITHM = "HS256"
MIN_KEY_BYTES = 32
REVOKED = "revoked_tokens"
_CLAIMS = ["sub", "role", "exp", "iat", "jti"]
_CACHED = 4_096


class Role(Enum):
    """Who may ask what: `api.access` has the table."""

    INVESTIGATOR = "investigator"
    SENIOR_INVESTIGATOR = "senior_investigator"
    STORE = "store"
    AUDITOR = "auditor"
    ORDER_SERVICE = "order_service"
    SCHEDULER = "scheduler"


@dataclass(frozen=True)
class Token:
    """A verified token. Instants are UTC microseconds."""

    subject: str
    role: Role
    jti: str
    expires_at: int
    store_id: str | None


def check_key(key: str) -> str:
    """The key itself; `KeyProblem` where it is missing or short."""
    if len(key.encode()) < MIN_KEY_BYTES:
        what = "is not set" if not key else f"has fewer than {MIN_KEY_BYTES} bytes"
        raise KeyProblem(what, where="RINGFENCE_TOKEN_KEY", do=f"set it to any text of at least {MIN_KEY_BYTES} bytes")
    return key


def key_from_env(env: Mapping[str, str]) -> str:
    """The signing key of the environment; `KeyProblem` where it is missing or short."""
    return check_key(env.get("RINGFENCE_TOKEN_KEY", ""))


def make_token(key: str, role: Role | str, *, subject: str, now: int, ttl: int, store_id: str | None = None) -> str:
    """A new token for `subject`. `now` in UTC microseconds, `ttl` in seconds.

    Raises `BadInput` for an unknown role, an empty subject, a store's token that names no store or a lifetime below a
    second, `KeyProblem` for the key."""
    check_key(key)
    if isinstance(role, str) and role not in {known.value for known in Role}:
        names = ", ".join(known.value for known in Role)
        raise BadInput(f"{role!r} is no role", where="token", do=f"choose one of {names}")
    if not subject:
        raise BadInput("a token needs a subject", where="token", do="name the person or service that will use it")
    if Role(role) is Role.STORE and not store_id:
        raise BadInput("a store's token must name its store", where="token", do="give the store's id")
    if ttl < 1:
        raise BadInput("a token must live at least a second", where="token", do="give a longer lifetime")
    issued = now // 1_000_000
    claims: dict[str, object] = {
        "sub": subject,
        "role": Role(role).value,
        "iat": issued,
        "exp": issued + ttl,
        "jti": secrets.token_hex(12),
    }
    if store_id is not None:
        claims["store_id"] = store_id
    return jwt.encode(claims, key, algorithm=ALGORITHM)


def _refused(why: str) -> ApiError:
    return ApiError(ErrorCode.UNAUTHENTICATED, why, status=401)


def decode(key: str, text: str) -> Token:
    """The token, its signature and shape checked, its expiry not: that is `Verifier`'s, which has the clock.

    Raises `ApiError` UNAUTHENTICATED; the message never says which part of a signature was wrong."""
    try:
        # Expiry and issue time are compared with the server's own clock argument, not with PyJWT's wall clock.
        claims = jwt.decode(
            text,
            key,
            algorithms=[ALGORITHM],
            options={"require": _CLAIMS, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
        expires = claims["exp"]
        if not isinstance(expires, int) or isinstance(expires, bool):
            raise _refused("the token is not valid")
        if claims["role"] == Role.STORE.value and not claims.get("store_id"):
            raise _refused("the token is not valid")  # a store's token without its store would see them all
        return Token(
            subject=str(claims["sub"]),
            role=Role(claims["role"]),
            jti=str(claims["jti"]),
            expires_at=expires * 1_000_000,
            store_id=None if claims.get("store_id") is None else str(claims["store_id"]),
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise _refused("the token is not valid") from error


class Verifier:
    """Checks tokens against the clock and the revocation list; remembers the signatures it has checked.

    `now` gives UTC microseconds, `revoked` the ids of revoked tokens as last read from the store."""

    def __init__(self, key: str, *, now: Callable[[], int], revoked: Callable[[], frozenset[str]]) -> None:
        self._key = check_key(key)
        self._now, self._revoked = now, revoked
        self._seen: OrderedDict[str, Token] = OrderedDict()

    def verify(self, authorization: str | None) -> Token:
        """The token of an `Authorization` header; `ApiError` UNAUTHENTICATED with a plain reason otherwise."""
        scheme, _, text = (authorization or "").partition(" ")
        text = text.strip()
        if scheme.lower() != "bearer" or not text:
            raise _refused("a bearer token is needed: send the header Authorization: Bearer TOKEN")
        token = self._seen.get(text)
        if token is None:
            token = decode(self._key, text)
            self._seen[text] = token
            if len(self._seen) > _CACHED:
                self._seen.popitem(last=False)
        if token.expires_at <= self._now():
            raise _refused("the token has expired")
        if token.jti in self._revoked():
            raise _refused("the token has been revoked")
        return token


def revoke(store: Store, jti: str, *, at: int, by: str) -> None:
    """Revoke the token of that id from instant `at`; servers notice within a second. Idempotent."""
    store.note(REVOKED, [{"at": at, "id": jti, "body": json.dumps({"by": by})}])


class Revocations:
    """The revoked ids of a store, read on from where the last reading ended."""

    def __init__(self, store: Store) -> None:
        self._store, self._after = store, 0
        self.ids: frozenset[str] = frozenset()

    def refresh(self) -> None:
        """Take up what was revoked since the last call."""
        while True:
            rows = self._store.notes(REVOKED, after=self._after, limit=1000)
            if not rows.num_rows:
                return
            self.ids = self.ids | frozenset(str(id_) for id_ in rows["id"].to_pylist())
            self._after = rows["seq"][-1].as_py()
