"""The reference page of the GraphQL API, printed from the schema, the roles, the limits and the error codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLUnionType,
)

from api.access import FIELD_ROLES, NESTED_ROLES, STORE_SCOPED, row_of
from api.schema import core_schema
from api.settings import ApiSettings
from api.tokens import Role

_BUILT_IN = frozenset({"String", "Int", "Float", "Boolean", "ID"})

_HOW = """# GraphQL API

Queries go by `POST /graphql` as JSON (`query`, `variables`, `operationName`) with the header
`Authorization: Bearer TOKEN`; `ringfence token` makes a token. `GET /graphql` opens GraphiQL. `GET /healthz` and
`GET /readyz` need no token; `GET /metrics` needs that of `RINGFENCE_METRICS_TOKEN`. Errors stand in `errors`, each with
a code in `extensions.code`. Lists are Relay connections: go on with `after: endCursor` while `hasNextPage`.

Every look-up of a person is written to the audit journal. An investigator's, an auditor's or a store's is written
before the answer is sent, and where it cannot be written there is no answer. The order service's are gathered and
written twice a second, one line a token with the buyers asked about; a crash loses no more than that, and checkout goes
on where the journal cannot be written.
"""


def graphql_markdown() -> str:
    """The page as Markdown, ending in a newline."""
    parts = [_HOW, "[Who may ask what](roles.md) is a page of its own.\n", _limits()]
    types = [
        one
        for name, one in sorted(core_schema().type_map.items())
        if not name.startswith("__") and name not in _BUILT_IN
    ]
    for title, kind in (
        ("Root fields", None),
        ("Types", GraphQLObjectType),
        ("Unions", GraphQLUnionType),
        ("Inputs", GraphQLInputObjectType),
        ("Enums", GraphQLEnumType),
        ("Scalars", GraphQLScalarType),
    ):
        parts.append(f"## {title}\n")
        if kind is None:
            parts += [_type(one) for one in types if one.name in ("Query", "Mutation")]
        else:
            parts += [_type(one) for one in types if isinstance(one, kind) and one.name not in ("Query", "Mutation")]
    return "\n".join(parts).rstrip() + "\n"


_ROLES = """# Roles

Each token carries one role. What a role may not ask is refused with FORBIDDEN before anything is executed, on every
path: first by the root fields, then by the types that they lead to. One that no role may ask would stand here with an
empty row.

| role | who | |
|---|---|---|
| `investigator` | explores accounts, rings and evidence | reads all records of the platform |
| `senior_investigator` | decides what an investigator may not decide alone | reads the same |
| `store` | a merchant | its own records only: the token must carry a `store_id` |
| `auditor` | looks at everything after the fact | reads what an investigator reads, changes nothing |
| `order_service` | the checkout | purchase limits, and reservations of purchases |
| `scheduler` | starts runs by the clock | runs only |

A token of any role that carries a `store_id` asks only what is held against that store: {scoped}.

"""


def roles_markdown() -> str:
    """Every role x every field of the schema, as Markdown tables, ending in a newline."""
    roles = [role.value for role in Role]
    scoped = ", ".join(f"`{field}`" for field in sorted(STORE_SCOPED))
    lines = [f"| root field | {' | '.join(roles)} |", "|---" * (len(roles) + 1) + "|"]
    for kind in ("Query", "Mutation"):
        one = core_schema().type_map[kind]
        assert isinstance(one, GraphQLObjectType)
        for name in sorted([*one.fields, "__typename", *(("__schema", "__type") if kind == "Query" else ())]):
            allowed = FIELD_ROLES.get(f"{kind}.{name}", frozenset())
            lines.append(f"| `{kind}.{name}` | {' | '.join('yes' if role in allowed else '' for role in Role)} |")
    lines += ["", *_nested(roles)]
    return _ROLES.format(scoped=scoped) + "\n".join(lines) + "\n"


def _nested(roles: Sequence[str]) -> list[str]:
    """Every field below the root x every role: a row a type with all its fields, those of its lists among them, and one
    for each field that has roles of its own."""
    head = [
        "## Below the root\n",
        "Each field of the schema stands in one row: with its type, or by itself where its roles are its own. Lists of "
        "a type (`Connection`, `Edge`) stand with it.\n",
    ]
    own: dict[str, list[str]] = {name: [] for name in NESTED_ROLES}
    for name, one in sorted(core_schema().type_map.items()):
        if isinstance(one, GraphQLObjectType) and not name.startswith("__") and name not in ("Query", "Mutation"):
            for field in one.fields:
                own[row_of(f"{name}.{field}")].append(f"{name}.{field}")
    rows = [
        f"| `{name}` | {' | '.join('yes' if role in NESTED_ROLES[name] else '' for role in Role)} "
        f"| {_told(name, own[name])} |"
        for name in sorted(NESTED_ROLES)
    ]
    return [*head, f"| type or field | {' | '.join(roles)} | fields |", "|---" * (len(roles) + 2) + "|", *rows]


def _told(row: str, names: Sequence[str]) -> str:
    """The fields of a row: those of its type by name, those of lists of it with their type."""
    if names == [row]:
        return ""
    return ", ".join(f"`{name.removeprefix(f'{row}.')}`" for name in names)


def _limits() -> str:
    lines = ["## Limits\n", "| limit | default | meaning |", "|---|---|---|"]
    lines += [f"| `{one.name}` | {one.default} | {one.metadata['doc']} |" for one in fields(ApiSettings)]
    return "\n".join([*lines, ""])


def _type(one: GraphQLNamedType) -> str:
    lines = [f"### {one.name}\n", f"{_flat(one.description)}\n"]
    if isinstance(one, GraphQLUnionType):
        lines.append("One of " + ", ".join(f"`{member.name}`" for member in one.types) + ".\n")
    elif isinstance(one, GraphQLEnumType):
        lines += ["| value | meaning |", "|---|---|"]
        lines += [f"| `{name}` | {_flat(value.description)} |" for name, value in one.values.items()]
    elif isinstance(one, GraphQLObjectType | GraphQLInputObjectType):
        lines += ["| field | type | meaning |", "|---|---|---|"]
        for name, field in one.fields.items():
            lines.append(f"| `{name}` | `{field.type}` | {_flat(field.description)} |")
            for argument, value in getattr(field, "args", {}).items():
                lines.append(f"| &nbsp;&nbsp;`{argument}` | `{_argument(value)}` | {_flat(value.description)} |")
    return "\n".join([*lines, ""])


def _argument(value: GraphQLArgument) -> str:
    return str(value.type)


def _flat(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")
