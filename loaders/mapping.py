"""The mapping file: how an export of another shape stands for the input contract.

A TOML document, validated whole before anything is read; `docs` prints its fields from this module. A table comes
either from files (`file`, with `columns`, `constants`, `timezone`, `time_format`, `amount_unit`) or from one SQL
SELECT over named `sources` (`select`). Rows may be left out by rule, each rule with its reason; the load report
counts them.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from graph.errors import BadInput
from loaders.contract import BY_NAME

_STRICT = ConfigDict(extra="forbid", frozen=True)
Scalar = str | bool | int | float


class LeaveOut(BaseModel):
    """Rows that are left out by a stated rule: those for which the SQL condition `where` holds. Where several rules
    hold, the first one counts the row."""

    model_config = _STRICT
    reason: Annotated[str, Field(min_length=3, description="why, in the words of the load report")]
    where: Annotated[str, Field(min_length=1, description="SQL condition over the file's own columns")]

    @field_validator("where")
    @classmethod
    def _is_condition(cls, text: str) -> str:
        try:
            pl.sql_expr(text)
        except (pl.exceptions.PolarsError, ValueError) as error:
            raise ValueError(f"is no SQL condition: {error}") from None
        return text


class SourceMap(BaseModel):
    """A named source for SELECTs: files of the export, or a SELECT over sources named before it."""

    model_config = _STRICT
    file: Annotated[
        str, Field(description="file name or glob below the folder; .csv, .jsonl (also .gz) or .parquet")
    ] = ""
    select: Annotated[str, Field(description="SQL SELECT over the sources above")] = ""
    leave_out: tuple[LeaveOut, ...] = ()

    @model_validator(mode="after")
    def _one_of(self) -> SourceMap:
        if bool(self.file) == bool(self.select):
            raise ValueError("needs either `file` or `select`")
        return self


class TableMap(BaseModel):
    """One table of the contract."""

    model_config = _STRICT
    file: Annotated[str, Field(description="file name or glob below the folder")] = ""
    select: Annotated[str, Field(description="SQL SELECT over the sources that gives the contract's columns")] = ""
    columns: Annotated[dict[str, str], Field(description="contract column = column of the file")] = {}
    constants: Annotated[dict[str, Scalar], Field(description="contract column = value for every row")] = {}
    timezone: Annotated[str, Field(description="IANA zone of times that carry no offset")] = ""
    time_format: Annotated[str, Field(description="strftime format of times; default ISO 8601")] = ""
    amount_unit: Annotated[Literal["major", "minor"], Field(description="`minor`: amounts are whole minor units")] = (
        "major"
    )
    leave_out: tuple[LeaveOut, ...] = ()

    @field_validator("timezone")
    @classmethod
    def _zone(cls, name: str) -> str:
        if name:
            try:
                ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise ValueError(f"{name!r} is no IANA time zone, such as Asia/Shanghai") from None
        return name

    @model_validator(mode="after")
    def _one_of(self) -> TableMap:
        if bool(self.file) == bool(self.select):
            raise ValueError("needs either `file` or `select`")
        if both := self.columns.keys() & self.constants.keys():
            raise ValueError(f"{min(both)!r} stands in `columns` and in `constants`")
        return self


class Mapping(BaseModel):
    """A whole mapping file."""

    model_config = _STRICT
    sources: dict[str, SourceMap] = {}
    tables: dict[str, TableMap] = {}

    @model_validator(mode="after")
    def _known_names(self) -> Mapping:
        for table, mapped in self.tables.items():
            if table not in BY_NAME:
                raise ValueError(f"tables.{table}: no such table; there are {', '.join(BY_NAME)}")
            known = BY_NAME[table].names
            for part in ("columns", "constants"):
                for column in getattr(mapped, part):
                    if column not in known:
                        raise ValueError(
                            f"tables.{table}.{part}.{column}: no such column; there are {', '.join(known)}"
                        )
            if mapped.select and not self.sources:
                raise ValueError(f"tables.{table}.select: names no `[sources]` to select from")
        return self


def read_mapping(path: Path) -> Mapping:
    """The mapping in a TOML file. Raises `BadInput` that names the table, the column and what is wrong."""
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", where=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"is no TOML: {error}", where=str(path)) from None
    try:
        return Mapping.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        do = "see the mapping page of the guide"
        raise BadInput(f"{place}: {what}{more}" if place else what + more, where=path.name, do=do) from None
