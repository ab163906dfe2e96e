"""From a query's text to an answer: parse, measure, validate, check roles and cost, execute, format.

Parsed and validated documents are kept by their text. Everything that can refuse a query does so before it runs.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any, cast

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    execute,
    parse,
    validate,
)

from api.access import RESERVING, Nested, check_access
from api.context import Context
from api.errors import ApiError, ErrorCode, formatted
from api.limits import Cost, check_size, nested_fields, root_fields
from api.settings import ApiSettings
from api.tokens import Role, Token

Answer = dict[str, Any]
_MOST_ERRORS = 5


@dataclass
class Operation:
    """One operation of a document, ready to be judged and run. `inline` operations touch little and run at once;
    `awaited` ones wait on the event loop."""

    node: OperationDefinitionNode
    fields: frozenset[str]
    nested: Nested
    roots: int
    cost: Cost
    inline: bool
    awaited: bool
    fixed_cost: int | None = None


@dataclass(frozen=True)
class Prepared:
    """A valid document and its operations by name."""

    document: DocumentNode
    operations: dict[str, Operation] = field(default_factory=dict)

    def operation(self, name: str | None) -> Operation:
        """The operation asked for; `ApiError` BAD_QUERY where it is unknown or must be named."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        if name is None:
            raise ApiError(ErrorCode.BAD_QUERY, "the document has several operations; name one in `operationName`")
        if name not in self.operations:
            raise ApiError(ErrorCode.BAD_QUERY, "the document has no operation of that name")
        return self.operations[name]


class Engine:
    """Runs queries against one schema. Safe to use from several threads."""

    def __init__(self, schema: GraphQLSchema, settings: ApiSettings) -> None:
        self.schema, self.settings = schema, settings
        self._cache: OrderedDict[str, Prepared] = OrderedDict()
        self._lock = threading.Lock()

    def cached(self, text: str) -> Prepared | None:
        """The prepared document of a text seen before."""
        with self._lock:
            found = self._cache.get(text)
            if found is not None:
                self._cache.move_to_end(text)
            return found

    def prepare(self, text: str) -> Prepared:
        """Parse, measure and validate; `ApiError` BAD_QUERY or TOO_EXPENSIVE."""
        found = self.cached(text)
        if found is not None:
            return found
        prepared = self._prepare(text)
        with self._lock:
            self._cache[text] = prepared
            while len(self._cache) > self.settings.cached_documents:
                self._cache.popitem(last=False)
        return prepared

    def _prepare(self, text: str) -> Prepared:
        if len(text.encode("utf-8", "surrogatepass")) > self.settings.max_query_bytes:
            raise ApiError(
                ErrorCode.TOO_EXPENSIVE, f"the query is longer than {self.settings.max_query_bytes} bytes", status=413
            )
        try:
            document = parse(text, max_tokens=self.settings.max_tokens)
            check_size(document, self.settings)
            errors = validate(self.schema, document, max_errors=_MOST_ERRORS)
        except GraphQLSyntaxError as error:
            # The parser gives up on too many tokens and on deep nesting in these words; all else is bad grammar.
            code = ErrorCode.TOO_EXPENSIVE if "Parsing aborted" in error.message else ErrorCode.BAD_QUERY
            raise ApiError(code, error.message) from error
        except RecursionError as error:
            raise ApiError(ErrorCode.TOO_EXPENSIVE, "the query is nested too deeply") from error
        if errors:
            raise _Invalid(errors)
        prepared = Prepared(document)
        for node in document.definitions:
            if isinstance(node, OperationDefinitionNode):
                name = node.name.value if node.name else ""
                prepared.operations[name] = self._operation(document, node)
        return prepared

    def _operation(self, document: DocumentNode, node: OperationDefinitionNode) -> Operation:
        parent = "Mutation" if node.operation.value == "mutation" else "Query"
        fields = root_fields(document, node)
        names = frozenset(f"{parent}.{one.name.value}" for one in fields)
        distinct = {one.alias.value if one.alias else one.name.value for one in fields}
        inline = names <= {"Query.purchaseLimit", "Query.__typename"}
        awaited = names <= {*RESERVING, "Mutation.__typename"}
        nested = Nested.of(nested_fields(self.schema, document, node))
        return Operation(node, names, nested, len(distinct), Cost(self.schema, document, node), inline, awaited)

    def check(self, operation: Operation, token: Token, variables: Mapping[str, Any]) -> None:
        """Raise `ApiError` FORBIDDEN or TOO_EXPENSIVE where the token may not ask this or it costs too much."""
        check_access(token, operation.fields, operation.nested)
        if operation.roots > self.settings.max_root_fields:
            raise ApiError(
                ErrorCode.TOO_EXPENSIVE,
                f"the query has {operation.roots} root fields; at most {self.settings.max_root_fields} are answered",
            )
        cost = operation.fixed_cost
        if cost is None:
            cost = operation.cost.of(variables, self.settings)
            if not operation.cost.varies:
                operation.fixed_cost = cost
        if cost > self.settings.max_cost:
            raise ApiError(
                ErrorCode.TOO_EXPENSIVE,
                f"the query costs {cost}; at most {self.settings.max_cost} is answered: ask for smaller pages",
            )

    def execute(
        self,
        prepared: Prepared,
        operation: Operation,
        variables: dict[str, Any],
        context: Context,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> Answer:
        """Run a checked operation to its end and write what a person saw to the audit journal.

        `loop` is an idle event loop of this thread, needed where resolvers are asynchronous (all but the inline ones).
        Raises `ApiError` AUDIT_UNAVAILABLE."""

        async def run_to_end() -> ExecutionResult:
            result = self._begun(prepared, operation, variables, context)
            return cast(ExecutionResult, await result if isawaitable(result) else result)

        begun: Any = self._begun(prepared, operation, variables, context) if loop is None else None
        result: ExecutionResult = begun if loop is None else loop.run_until_complete(run_to_end())
        if context.token.role is not Role.ORDER_SERVICE and context.seen:
            context.state.audit.record(context.token, context.request_id, context.seen, operation.fields)
        return _answer(result)

    async def execute_here(
        self, prepared: Prepared, operation: Operation, variables: dict[str, Any], context: Context
    ) -> Answer:
        """Run a checked, `awaited` operation to its end on the present event loop; it shows nobody to anyone."""
        result = self._begun(prepared, operation, variables, context)
        return _answer(cast(ExecutionResult, await result if isawaitable(result) else result))

    def _begun(self, prepared: Prepared, operation: Operation, variables: dict[str, Any], context: Context) -> Any:
        return execute(
            self.schema,
            prepared.document,
            context_value=context,
            variable_values=variables,
            # The validated operation is known, so its name is passed on even where the client left it out.
            operation_name=operation.node.name.value if operation.node.name else None,
            hide_suggestions=False,
        )


def _answer(result: ExecutionResult) -> Answer:
    answer: Answer = {"data": result.data}
    if result.errors:
        answer["errors"] = [formatted(error) for error in result.errors]
    return answer


class _Invalid(ApiError):
    """Several validation errors at once."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(ErrorCode.BAD_QUERY, errors[0].message)
        self.errors = errors


def refusal(error: ApiError) -> Answer:
    """The answer to a request that was refused as a whole."""
    errors = error.errors if isinstance(error, _Invalid) else [error]
    return {"errors": [formatted(one) for one in errors]}
