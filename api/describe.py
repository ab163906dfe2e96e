"""Typed forms of Strawberry's decorators, each of which must say what it documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import strawberry

F = TypeVar("F", bound=Callable[..., Any])


def resolver(description: str) -> Callable[[F], F]:
    """Decorates a method as a resolved field with that description."""
    return cast(Callable[[F], F], strawberry.field(description=description))


def mutation(description: str) -> Callable[[F], F]:
    """Decorates a method as a mutation with that description."""
    return cast(Callable[[F], F], strawberry.mutation(description=description))


def choice(value: str, description: str) -> str:
    """A member of an enum, with the description that stands in the schema."""
    return cast(str, strawberry.enum_value(value, description=description))
