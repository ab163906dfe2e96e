"""What a query may cost: depth, selections, aliases and root fields by its text, then its cost by schema and pages.

The first four are counted before validation, because validation itself can be made slow by a hostile query: fragments
that spread each other double with every level, and merging of equal fields is quadratic. All counting is done with
every fragment spread and each fragment measured once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

from api.errors import ApiError, ErrorCode
from api.pages import DEFAULT_PAGE
from api.settings import ApiSettings

INTROSPECTION_COST = 5_000
"""What `__schema` or `__type` counts, whatever is under it; their own nesting is bounded by a validation rule."""

COSTS: Mapping[str, int] = {
    "Query.accounts": 50,
    "Query.rings": 20,
    "Query.evidence": 50,
    "Query.runDiff": 2_000,
    "Query.identifier": 500,
    "Query.path": 5_000,
    "Query.assessClaim": 100,
    "Query.replayClaim": 500,
    "Query.replayComplaint": 500,
    "Query.caseQueue": 500,
    "Query.cases": 10,
    "Mutation.openCase": 500,
    "Case.notes": 100,
    "Case.brief": 1_000,
    "Case.facts": 1_000,
    "Case.timeline": 1_000,
    "Case.decidedBefore": 1_000,
    "Case.drawing": 2_000,
    "Query.returnRisk": 1_000,
    "Account.remedies": 5,
    "Account.warning": 5,
    "MyClaim.remedies": 100,
    "Query.myStore": 10,
    "Query.myClaim": 20,
    "MyStore.claims": 50,
    "MyClaim.complaints": 10,
    "Query.purchaseLimit": 20,
    "Query.purchaseLimits": 20,
    "Mutation.reservePurchase": 20,
    "Mutation.confirmPurchase": 20,
    "Mutation.releasePurchase": 20,
    "Account.flip": 8_000,
    "Account.weighed": 2_000,
    "Account.orders": 20,
    "Account.refunds": 30,
    "Account.identifiers": 20,
    "Account.evidence": 10,
    "Account.registeredAt": 5,
    "Account.claimed": 5,
    "Account.pastDecisions": 10,
    "Identifier.users": 500,
    "Identifier.hub": 2,
    "Ring.members": 5,
    "Ring.evidence": 10,
    "Ring.stores": 10,
    "Order.refunds": 10,
    "Order.items": 10,
    "Order.identifiers": 10,
    "Refund.order": 10,
    "Refund.complaints": 10,
    "Evidence.source": 10,
    "Evidence.identifier": 5,
    "Store.rings": 10,
    "Store.rates": 1_000,
    "MyStore.rates": 1_000,
}
"""Cost of a field beyond the 1 that every field counts: what it reads from the store or computes."""


@dataclass(frozen=True)
class _Size:
    depth: int
    selections: int
    aliases: int


class _Measure:
    """Sizes of selection sets, each fragment once; raises on fragments that spread themselves."""

    def __init__(self, document: DocumentNode) -> None:
        self.fragments = fragments_of(document)
        self.done: dict[str, _Size] = {}
        self.open: set[str] = set()

    def of(self, selections: SelectionSetNode | None, *, introspection: bool = False) -> _Size:
        depth = count = aliases = 0
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                inside = introspection or node.name.value in ("__schema", "__type")
                below = self.of(node.selection_set, introspection=inside)
                size = _Size(
                    0 if inside else 1 + below.depth, 1 + below.selections, below.aliases + (node.alias is not None)
                )
            elif isinstance(node, InlineFragmentNode):
                size = self.of(node.selection_set, introspection=introspection)
            else:
                assert isinstance(node, FragmentSpreadNode)  # there are three kinds of selection
                size = self._fragment(node.name.value)
            depth, count, aliases = max(depth, size.depth), count + size.selections, aliases + size.aliases
        return _Size(depth, count, aliases)

    def definition(self, node: OperationDefinitionNode | FragmentDefinitionNode) -> _Size:
        """The size of an operation or a fragment; fragments on the types of introspection are introspection."""
        on = node.type_condition.name.value if isinstance(node, FragmentDefinitionNode) else ""
        return self.of(node.selection_set, introspection=on.startswith("__"))

    def _fragment(self, name: str) -> _Size:
        if name in self.open:
            raise ApiError(ErrorCode.BAD_QUERY, f"the fragment {name} spreads itself")
        if name not in self.done and name in self.fragments:
            self.open.add(name)
            self.done[name] = self.definition(self.fragments[name])
            self.open.discard(name)
        return self.done.get(name, _Size(0, 0, 0))


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """The document's fragments by name."""
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


def check_size(document: DocumentNode, settings: ApiSettings) -> None:
    """Raise `ApiError` TOO_EXPENSIVE where any operation or fragment is too deep, too long or has too many aliases."""
    measure = _Measure(document)
    for node in document.definitions:
        if not isinstance(node, OperationDefinitionNode | FragmentDefinitionNode):
            continue
        size = measure.definition(node)
        for what, value, limit in (
            ("levels", size.depth, settings.max_depth),
            ("fields", size.selections, settings.max_selections),
            ("aliases", size.aliases, settings.max_aliases),
            ("definitions", len(document.definitions), settings.max_root_fields * 3),
        ):
            if value > limit:
                raise ApiError(ErrorCode.TOO_EXPENSIVE, f"the query has {value} {what}; at most {limit} are answered")


def root_fields(document: DocumentNode, operation: OperationDefinitionNode) -> list[FieldNode]:
    """The fields at the operation's root, fragments spread; the document is valid."""
    fragments = fragments_of(document)
    found: list[FieldNode] = []
    pending = list(operation.selection_set.selections)
    while pending:
        node = pending.pop(0)
        if isinstance(node, FieldNode):
            found.append(node)
        elif isinstance(node, InlineFragmentNode):
            pending += node.selection_set.selections
        elif isinstance(node, FragmentSpreadNode):
            pending += fragments[node.name.value].selection_set.selections
    return found


def nested_fields(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> set[str]:
    """The fields below the operation's root as `Type.field`, fragments spread; the document is valid."""
    fragments, spread, found = fragments_of(document), set[str](), set[str]()
    root = schema.get_root_type(operation.operation)
    assert root is not None  # validated
    pending: list[tuple[SelectionSetNode, GraphQLNamedType]] = [(operation.selection_set, root)]
    while pending:
        selections, parent = pending.pop()
        for node in selections.selections:
            if isinstance(node, FieldNode):
                name = node.name.value
                if parent is not root and not isinstance(parent, GraphQLUnionType):
                    found.add(f"{parent.name}.{name}")
                if node.selection_set is not None and not name.startswith("__"):
                    assert isinstance(parent, GraphQLObjectType)  # the schema has no interfaces
                    pending.append((node.selection_set, get_named_type(parent.fields[name].type)))
            elif isinstance(node, InlineFragmentNode):
                on = node.type_condition
                pending.append((node.selection_set, schema.type_map[on.name.value] if on else parent))
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                spread.add(node.name.value)
                fragment = fragments[node.name.value]
                pending.append((fragment.selection_set, schema.type_map[fragment.type_condition.name.value]))
    return found


class Cost:
    """The estimated number of fields in an operation's answer, for given variables. The document is valid."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        self._schema, self._operation = schema, operation
        self._fragments = fragments_of(document)
        self._defaults = {
            node.variable.name.value: int(node.default_value.value)
            for node in operation.variable_definitions or ()
            if isinstance(node.default_value, IntValueNode)
        }
        self.varies = False
        """Whether it depends on variables; known after the first `of`."""

    def of(self, variables: Mapping[str, Any], settings: ApiSettings) -> int:
        """The cost; pages count as large as asked for, batches as long as given, but no more than their limits."""
        root = self._schema.get_root_type(self._operation.operation)
        assert root is not None  # validated
        return self._selections(self._operation.selection_set, root, variables, settings)

    def _selections(
        self, selections: SelectionSetNode, parent: GraphQLNamedType, variables: Mapping[str, Any], limits: ApiSettings
    ) -> int:
        total = 0
        for node in selections.selections:
            if isinstance(node, FieldNode):
                total += self._field(node, parent, variables, limits)
            elif isinstance(node, InlineFragmentNode):
                on = node.type_condition
                inner = self._schema.type_map[on.name.value] if on else parent
                total += self._selections(node.selection_set, inner, variables, limits)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self._fragments[node.name.value]
                inner = self._schema.type_map[fragment.type_condition.name.value]
                total += self._selections(fragment.selection_set, inner, variables, limits)
        return total

    def _field(
        self, node: FieldNode, parent: GraphQLNamedType, variables: Mapping[str, Any], limits: ApiSettings
    ) -> int:
        name = node.name.value
        if name in ("__schema", "__type"):
            return INTROSPECTION_COST
        if name == "__typename" or isinstance(parent, GraphQLUnionType):
            return 1
        assert isinstance(parent, GraphQLObjectType)  # the schema has no interfaces
        kind = get_named_type(parent.fields[name].type)
        own = 1 + COSTS.get(f"{parent.name}.{name}", 0)
        below = self._selections(node.selection_set, kind, variables, limits) if node.selection_set is not None else 0
        if name == "purchaseLimits":
            return self._length(node, "requests", variables, limits.max_batch) * (own + below)
        if kind.name.endswith("Connection"):
            return own + self._page(node, variables, limits.max_page) * below
        return own + below

    def _page(self, node: FieldNode, variables: Mapping[str, Any], limit: int) -> int:
        for argument in node.arguments or ():
            if argument.name.value == "first":
                if isinstance(argument.value, IntValueNode):
                    return min(max(int(argument.value.value), 1), limit)
                if isinstance(argument.value, VariableNode):
                    self.varies = True
                    name = argument.value.name.value
                    given = variables.get(name, self._defaults.get(name, DEFAULT_PAGE))
                    return min(max(given, 1), limit) if isinstance(given, int) else limit
        return DEFAULT_PAGE

    def _length(self, node: FieldNode, name: str, variables: Mapping[str, Any], limit: int) -> int:
        for argument in node.arguments or ():
            if argument.name.value == name:
                if isinstance(argument.value, ListValueNode):
                    return min(len(argument.value.values), limit)
                if isinstance(argument.value, VariableNode):
                    self.varies = True
                    given = variables.get(argument.value.name.value)
                    return min(max(len(given), 1), limit) if isinstance(given, list) else limit
        return 1
