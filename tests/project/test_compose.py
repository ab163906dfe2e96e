"""The compose files hold: they fit compose's schema, and every command, flag, variable and setting in them exists."""

from __future__ import annotations

import contextlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main
import yaml
from starlette.testclient import TestClient

from api.app import create_app
from cli.main import application
from cli.settings import SETTINGS
from graph.open import open_store
from integrity.policy import default_policy
from tests.conftest import Neo4j
from tests.require import neo4j_server as started_neo4j

ROOT = Path(__file__).resolve().parents[2]
FILES = ("docker-compose.yml", "docker-compose.sqlite.yml")
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?:(:?[-?+])([^}]*))?\}")
_HANDED_ON = {"RINGFENCE_METRICS_TOKEN"}
"""Secrets that may be left away: compose hands them on where they are set."""
_NEEDED = {one.name for one in SETTINGS if one.secret} - _HANDED_ON
_SECRETS = {one.name for one in SETTINGS if one.secret} | {"NEO4J_PASSWORD"}


@pytest.fixture(params=FILES)
def text(request: pytest.FixtureRequest) -> str:
    return (ROOT / request.param).read_text("utf-8")


@pytest.fixture
def compose(text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def _schema() -> dict[str, Any]:
    found = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    loaded: dict[str, Any] = json.loads(found.read_text("utf-8"))
    return loaded


def _services(compose: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from compose["services"].items()


def test_it_fits_the_schema_of_compose(compose: dict[str, Any]) -> None:
    jsonschema.validate(compose, _schema())


def test_the_schema_refuses_what_compose_does_not_know(compose: dict[str, Any]) -> None:
    compose["services"]["api"]["healthchek"] = compose["services"]["api"].pop("healthcheck")
    with pytest.raises(jsonschema.ValidationError, match="healthchek"):
        jsonschema.validate(compose, _schema())


def test_every_command_is_one_of_ours_with_flags_that_it_knows(compose: dict[str, Any]) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    group = typer.main.get_command(application())
    ours = [one["command"] for _, one in _services(compose) if "build" in one]
    assert ours
    for program, name, *arguments in ours:
        assert program in scripts
        command = group.commands[name]  # type: ignore[attr-defined]
        with command.make_context(name, list(arguments), resilient_parsing=False) as context:
            assert not context.args


def test_a_flag_that_does_not_exist_would_be_noticed() -> None:
    command = typer.main.get_command(application()).commands["serve"]  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="No such option"):
        command.make_context("serve", ["--hots", "0.0.0.0"])


def test_every_variable_of_ours_exists_and_what_is_needed_is_given(compose: dict[str, Any]) -> None:
    known = {one.name for one in SETTINGS}
    for name, service in _services(compose):
        if "build" in service:
            given = set(service["environment"])
            assert given <= known, f"{name} sets what nobody reads"
            assert {"RINGFENCE_STORE", *(one.name for one in SETTINGS if one.secret)} <= given
            for one in _HANDED_ON:
                assert service["environment"][one] is None, f"{one} is handed on as it is, or not at all"


def test_no_secret_stands_in_the_file_and_none_has_a_default(text: str) -> None:
    used = _VARIABLE.findall(text)
    for name, operator, _ in used:
        if name in _SECRETS:
            assert operator == ":?", f"{name} must be given, and not empty"
    assert {name for name, _, _ in used} >= _NEEDED
    # a URL or a login with a password in it takes it from a variable
    for password in re.findall(r"neo4j://neo4j:(.*)@|NEO4J_AUTH: neo4j/(.*)", text):
        assert "".join(password).startswith("${NEO4J_PASSWORD:?")


def test_what_has_to_be_set_is_told_at_the_top(text: str) -> None:
    head = text.partition("services:")[0]
    for name, operator, _ in _VARIABLE.findall(text):
        assert operator != ":?" or name in head


def test_volumes_are_declared_and_ours_can_be_written(compose: dict[str, Any]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    used = set()
    for _, service in _services(compose):
        for volume in service.get("volumes", ()):
            source, target, *_ = volume.split(":")
            if not source.startswith((".", "/")):
                used.add(source)
                if "build" in service:
                    assert f"install -d -o ringfence {target}" in dockerfile
    assert used == set(compose["volumes"])


def test_services_wait_for_others_that_exist_and_tell_their_health(compose: dict[str, Any]) -> None:
    for _, service in _services(compose):
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy"
            assert "healthcheck" in compose["services"][other]


def test_the_address_that_is_asked_for_health_exists(compose: dict[str, Any], tmp_path: Path) -> None:
    service = compose["services"]["api"]
    port, path = re.search(r"127\.0\.0\.1:(\d+)(/\w+)'", service["healthcheck"]["test"][-1]).groups()  # type: ignore[union-attr]
    assert service["command"][-2:] == ["--port", port]
    assert any(published.endswith(f":{port}") for published in service["ports"])
    with contextlib.closing(open_store(f"sqlite:///{tmp_path / 'store.db'}")) as store:
        app = create_app(store, token_key="t" * 40, keyer=None, policy=default_policy())
        with TestClient(app) as client:
            assert client.get(path).status_code in (200, 503)
            assert client.get(path + "x").status_code == 404


def _neo4j_settings(given: Mapping[str, str]) -> dict[str, str]:
    """What the official image makes of its environment: `_` is a point, `__` an underscore; defaults filled in."""
    names = {name: value for name, value in given.items() if name.startswith("NEO4J_") and name != "NEO4J_AUTH"}
    return {
        name.removeprefix("NEO4J_").replace("__", "\0").replace("_", ".").replace("\0", "_"): _VARIABLE.sub(
            lambda found: found[3], str(value)
        )
        for name, value in names.items()
    }


def test_every_setting_of_neo4j_exists_and_a_server_starts_with_them(neo4j_server: Neo4j) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    settings = _neo4j_settings(compose["services"]["neo4j"]["environment"])
    assert len(settings) >= 5
    with started_neo4j(settings=settings) as server, server.driver() as driver:
        records, _, _ = driver.execute_query("SHOW SETTINGS YIELD name, isExplicitlySet WHERE isExplicitlySet")
        assert set(settings) <= {record["name"] for record in records}


def test_the_server_of_the_file_is_the_one_that_was_tried() -> None:
    from scripts.neo4j_jars import VERSION

    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    assert compose["services"]["neo4j"]["image"] == f"neo4j:{'.'.join(VERSION.split('.')[:2])}-community"
