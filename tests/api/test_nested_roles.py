"""Who may read what below the root: every role, every type and field, every path of the schema."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLField, GraphQLObjectType, GraphQLUnionType, get_named_type, is_required_argument

import api.access as access
from api.access import FIELD_ROLES, NESTED_ROLES, roles_of
from api.engine import Engine
from api.errors import ApiError, ErrorCode
from api.reference import roles_markdown
from api.schema import core_schema
from api.settings import ApiSettings
from api.tokens import Role, Token
from graph.store import Store
from tests.api import peopled
from tests.api.conftest import Serve
from tests.api.peopled import Peopled

TYPES: dict[str, GraphQLObjectType] = {
    name: one
    for name, one in core_schema().type_map.items()
    if isinstance(one, GraphQLObjectType) and not name.startswith("__") and name not in ("Query", "Mutation")
}
ROOTS = {
    name: core_schema().type_map[name.partition(".")[0]].fields[name.partition(".")[2]]  # type: ignore[attr-defined]
    for name in sorted(FIELD_ROLES)
    if "__" not in name
}
FIELDS = [(kind, name) for kind, one in sorted(TYPES.items()) for name in one.fields]
Step = tuple[str, str]
"""A type to narrow a union to (or nothing), and a field."""


def listed(kind: str) -> str:
    return re.sub("(Edge)?(Connection)?$", "", kind)


def nexts(one: Any) -> Iterator[tuple[str, GraphQLObjectType]]:
    """The object types that a field's answer can be, and what a union must be narrowed to."""
    named = get_named_type(one)
    if isinstance(named, GraphQLUnionType):
        yield from ((member.name, member) for member in named.types)
    elif isinstance(named, GraphQLObjectType):
        yield "", named


def paths(root: str) -> dict[str, list[Step]]:
    """The shortest path from a root field to each type that it leads to."""
    found: dict[str, list[Step]] = {}
    pending = [(kind, [(narrow, "")]) for narrow, kind in nexts(ROOTS[root].type)]
    while pending:
        kind, path = pending.pop(0)
        if kind.name in found:
            continue
        found[kind.name] = path
        for name, field in kind.fields.items():
            pending += [(after, [*path[:-1], (path[-1][0], name), (narrow, "")]) for narrow, after in nexts(field.type)]
    return found


def required(field: GraphQLField) -> bool:
    return any(is_required_argument(argument) for argument in field.args.values())


GIVEN = {"ID": '"x"', "String": '"x"', "Int": "1", "RawKind": "PHONE", "ComplaintType": "FAKE_EVIDENCE",
         "ComplaintOutcome": "UPHELD", "CaseTarget": "RING", "CaseDecision": "HONEST",
         "JudgementInput": '{target: RING, id: "x", said: NOT_A_RING}',
         "ComplaintInput": '{refundId: "x", type: FAKE_EVIDENCE}',
         "PurchaseOrder": '{orderId: "x", buyerId: "x", storeId: "x", amount: "1.00"}',
         "PurchaseLimitRequest": '{buyerId: "x", storeId: "x"}'}  # fmt: skip
"""Something to give to each required argument, by the name of its type."""


def query(root: str, path: list[Step], leaves: list[str]) -> str:
    kind, _, name = root.partition(".")
    args = [
        f"{argument}: {'[' if str(one.type).startswith('[') else ''}{GIVEN[get_named_type(one.type).name]}"
        f"{']' if str(one.type).startswith('[') else ''}"
        for argument, one in ROOTS[root].args.items()
        if is_required_argument(one)
    ]
    text = " ".join(leaves)
    for narrow, step in reversed(path):
        text = f"{step} {{ {text} }}" if step else text
        text = f"... on {narrow} {{ {text} }}" if narrow else text
    start = "mutation " if kind == "Mutation" else ""
    return f"{start}{{ {name}{'(' + ', '.join(args) + ')' if args else ''} {{ {text} }} }}"


def leaf(kind: str, name: str) -> str:
    return f"{name} {{ __typename }}" if list(nexts(TYPES[kind].fields[name].type)) else name


def reached(role: Role) -> set[str]:
    """`Type.field` of all that a role comes to from its root fields without a field that it may not read."""
    found: set[str] = set()
    pending = [kind for root, one in ROOTS.items() if role in FIELD_ROLES[root] for _, kind in nexts(one.type)]
    while pending:
        kind = pending.pop()
        for name, field in kind.fields.items():
            at = f"{kind.name}.{name}"
            if at not in found and role in roles_of(at):
                found.add(at)
                pending += [after for _, after in nexts(field.type)]
    return found


def test_the_table_states_every_type_and_nothing_that_is_not_there() -> None:
    assert {listed(kind) for kind in TYPES} == {name for name in NESTED_ROLES if "." not in name}
    fields = {f"{kind}.{name}" for kind, name in FIELDS}
    assert {name for name in NESTED_ROLES if "." in name} <= fields
    assert all(roles_of(name) for name in fields)
    assert roles_of("Nothing.id") == frozenset()


def test_the_page_of_roles_states_every_field_once_with_the_roles_that_may_read_it() -> None:
    below = roles_markdown().partition("## Below the root")[2]
    told: dict[str, list[frozenset[Role]]] = {}
    for line in (line for line in below.splitlines() if line.startswith("| `")):
        name, *cells, fields = [cell.strip() for cell in line.strip("|").split("|")]
        may = frozenset(role for role, cell in zip(Role, cells, strict=True) if cell == "yes")
        row = name.strip("`")
        for field in re.findall(r"`([^`]+)`", fields) or [row]:
            told.setdefault(field if "." in field else f"{row}.{field}", []).append(may)
    assert told == {f"{kind}.{name}": [roles_of(f"{kind}.{name}")] for kind, name in FIELDS}


@pytest.mark.parametrize("role", Role)
def test_a_role_reaches_each_type_that_the_table_gives_it_and_no_path_of_its_own_leads_further(role: Role) -> None:
    mine = reached(role)
    assert {listed(name.partition(".")[0]) for name in mine} == {
        name for name, roles in NESTED_ROLES.items() if role in roles and "." not in name
    }
    beyond = {
        f"{kind}.{name}"
        for kind in {name.partition(".")[0] for name in mine}
        for name in TYPES[kind].fields
        if f"{kind}.{name}" not in mine
    }
    assert beyond == ({"Appeal.text"} if role is Role.AUDITOR else set())


def token(role: Role) -> Token:
    return Token(role=role, subject="t", store_id="s-1" if role is Role.STORE else None, jti="j", expires_at=2**60)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(core_schema(), replace(ApiSettings(), max_cost=10**9, max_depth=40, max_selections=10**4))


def refused(engine: Engine, role: Role, text: str) -> bool:
    try:
        engine.check(engine.prepare(text).operation(None), token(role), {})
    except ApiError as error:
        return error.code is ErrorCode.FORBIDDEN
    return False


@pytest.mark.parametrize("root", sorted(ROOTS))
def test_every_path_from_a_root_field_to_a_type_is_refused_to_whom_the_tables_deny_it(
    engine: Engine, root: str
) -> None:
    for kind, path in paths(root).items():
        way = [f"{before}.{step}" for before, step in zip(_types_on(root, path), (s for _, s in path), strict=False)]
        for name in TYPES[kind].fields:
            text = query(root, path, [leaf(kind, name)])
            for role in Role:
                allowed = role in FIELD_ROLES[root] and all(
                    role in roles_of(one) for one in (*(w for w in way if not w.endswith(".")), f"{kind}.{name}")
                )
                assert refused(engine, role, text) is not allowed, (role, text)


def _types_on(root: str, path: list[Step]) -> list[str]:
    """The type that each step of a path stands on."""
    kinds: list[str] = []
    one: Any = ROOTS[root].type
    for narrow, step in path:
        kind = next(after for narrowed, after in nexts(one) if narrowed == narrow)
        kinds.append(kind.name)
        if step:
            one = kind.fields[step].type
    return kinds


@pytest.mark.parametrize("role", Role)
def test_a_type_taken_from_a_role_is_refused_below_a_root_field_that_it_may_ask(
    engine: Engine, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0
    for root in ROOTS:
        for kind, path in paths(root).items() if role in FIELD_ROLES[root] else ():
            name = next(iter(TYPES[kind].fields))
            text = query(root, path, [leaf(kind, name)])
            if refused(engine, role, text):
                continue
            with monkeypatch.context() as patch:
                patch.setitem(access.NESTED_ROLES, f"{kind}.{name}", frozenset(set(Role) - {role}))
                assert refused(Engine(core_schema(), engine.settings), role, text), text
            tried += 1
            if tried == 150:
                return
    assert tried


UNSEEN: dict[str, str] = {
    "RingLineage.splitsFrom": "the market's one ring was never part of another; tests/api/test_reading.py asks it",
    "RingLineage.merges": "the run that decided anew knew the ring before; tests/api/test_reading.py asks it",
    "ActsChecked.rewritten": "nobody tampered with the book here; tests/api/test_people.py does",
}
"""Fields that nothing in the market answers, and why."""


HEAVY = {
    "Account.flip": "account", "Account.weighed": "account", "Store.rates": "store", "Identifier.users": "identifier",
}  # fmt: skip
"""Fields that judge a run again or read much, and the root field that alone they are asked of."""


PAGES = {"facts": "(first: 40)", "claims": "(first: 40)", "rates": "(days: 365)"}


def whole(kind: GraphQLObjectType, role: Role, done: set[str], skip: Collection[str] = ()) -> str:
    """A selection of all that a role may read of a type and beyond, each type once."""
    done.add(kind.name)
    parts = ["__typename"]
    for name, field in kind.fields.items():
        if role not in roles_of(f"{kind.name}.{name}") or f"{kind.name}.{name}" in skip:
            continue
        assert not required(field), f"{kind.name}.{name}"
        after = list(nexts(field.type))
        if not after:
            parts.append(name)
            continue
        page = PAGES.get(name, "(first: 4)" if "first" in field.args else "")
        inner = [
            flat(one, role) if narrow else whole(one, role, done, skip)
            for narrow, one in after
            if (narrow or one.name not in done) and role in roles_of(f"{one.name}.__typename")
        ]
        parts.append(f"{name}{page} {{ {' '.join(['__typename', *inner])} }}")
    return " ".join(parts)


def flat(kind: GraphQLObjectType, role: Role) -> str:
    """A selection of a union's member: what leads to no other type, by names of its own, since members share none."""
    names = [
        f"{kind.name}_{name}: {name}"
        for name, field in kind.fields.items()
        if not list(nexts(field.type)) and role in roles_of(f"{kind.name}.{name}")
    ]
    return f"... on {kind.name} {{ {' '.join(names)} }}"


def answered(value: Any, into: set[str]) -> None:
    """`Type.field` of everything in an answer that is not null."""
    if isinstance(value, list):
        for one in value:
            answered(one, into)
    elif isinstance(value, dict):
        for name, one in value.items():
            if one is not None and one != [] and name != "__typename":
                into.add(f"{value['__typename']}.{name.rpartition('_')[2]}")
            answered(one, into)


def seen_by(role: Role, known: Peopled) -> set[str]:
    """Everything that a role's root fields answer in the peopled market."""
    found: set[str] = set()
    for root, field in ROOTS.items():
        kind, _, name = root.partition(".")
        if role not in FIELD_ROLES[root] or (kind == "Mutation" and name not in known.ask):
            continue
        assert name in known.ask or not required(field), f"no way to ask {root}"
        for given in known.ask.get(name, [""]):
            done: set[str] = set()
            skip = [heavy for heavy, alone in HEAVY.items() if alone != name]
            ways = [
                flat(after, role) if narrow else whole(after, role, done, skip) for narrow, after in nexts(field.type)
            ]
            text = f"{kind.lower()} {{ {name}{given} {{ __typename {' '.join(ways)} }} }}"
            answered(list(known.data(text, role.value).values()), found)
    return found


def test_whatever_a_role_may_read_is_answered(store: Store, serve: Serve, tmp_path: Path) -> None:
    peopled.fill(store, tmp_path)
    begun: list[int | None] = []

    def start_run(*, as_of: int | None = None) -> str | None:
        begun.append(as_of)
        return "work 1" if len(begun) == 1 else None

    api = serve(
        start_run=start_run,
        settings={"max_cost": 10**9, "max_depth": 40, "max_selections": 10**4, "max_aliases": 10**3},
    )
    known = peopled.people(api, tmp_path)
    missing = {
        role.value: sorted({name for name in reached(role) if name not in UNSEEN} - seen_by(role, known))
        for role in Role
    }
    assert {f"{role} {name}" for role, names in missing.items() for name in names} == set()
