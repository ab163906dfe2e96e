"""The reference says something about every command, option, setting and exit code."""

from __future__ import annotations

from cli.reference import commands, reference_markdown
from cli.settings import SETTINGS


def test_every_command_and_option_has_a_description() -> None:
    found = dict(commands())
    assert "ringfence explain account" in found
    for name, command in found.items():
        assert command.help, name
        for param in command.params:
            assert getattr(param, "help", None), f"{name} {param.name}"


def test_every_command_that_reads_a_store_takes_its_url_and_namespace() -> None:
    without = {"token", "simulate", "demo", "settings", "policy check", "policy show", "policy diff"}
    for name, command in commands():
        options = {option for param in command.params for option in param.opts}
        if name.removeprefix("ringfence ") in without:
            continue
        assert {"--store", "--namespace"} <= options, name


def test_every_command_that_reports_can_report_in_json() -> None:
    for name, command in commands():
        options = {option for param in command.params for option in param.opts}
        assert "--json" in options or name in ("ringfence serve", "ringfence demo"), name


def test_the_page_names_every_command_and_setting() -> None:
    page = reference_markdown()
    for name, _ in commands():
        assert f"## `{name}`" in page
    for setting in SETTINGS:
        assert f"`{setting.name}`" in page
        assert setting.doc in page
    assert "| 7 |" in page
    assert "One of `investigator`, `senior_investigator`, `store`" in page
