"""Store URLs: which are understood, what others are told, and that no password is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.errors import StoreProblem
from graph.open import default_url, masked_url, open_store


def test_four_slashes_are_an_absolute_path_and_three_a_relative_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    open_store(f"sqlite:///{tmp_path}/a b.db").close()
    open_store("sqlite:///sub/relative?.db").close()
    assert (tmp_path / "a b.db").is_file()
    assert (tmp_path / "sub" / "relative?.db").is_file()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://user:hunter2@host/db", "no store of this kind"),
        ("store.db", "no store URL"),
        ("", "no store URL"),
        ("sqlite://store.db", "three slashes"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///a\0b", "NUL"),
    ],
)
def test_a_url_that_cannot_be_opened_says_why_and_shows_no_password(url, says):
    with pytest.raises(StoreProblem, match=says) as raised:
        open_store(url)
    assert "hunter2" not in str(raised.value)
    assert "sqlite:///path" in str(raised.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("neo4j://user:hunter2@127.0.0.1:1/db", "does not answer"),
        ("bolt://user:hunter2@127.0.0.1:1", "does not answer"),
        ("bolt://user:hunter2@host:port/db", "can't be read"),
        ("neo4j://user:hunter2@/db", "can't be read"),
    ],
)
def test_a_server_that_cannot_be_reached_says_so_and_shows_no_password(url, says):
    with pytest.raises(StoreProblem, match=says) as raised:
        open_store(url)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("neo4j://neo4j:s3cret@host:7687/db", "neo4j://neo4j:***@host:7687/db"),
        ("bolt+s://u:p@ss:w/rd@host", "bolt+s://u:***@host"),
        ("neo4j://u:@host", "neo4j://u:***@host"),
        ("neo4j://host:7687", "neo4j://host:7687"),
        ("neo4j://user@host", "neo4j://user@host"),
        ("sqlite:////data/u:p@x.db", "sqlite:////data/u:p@x.db"),
        ("no url", "no url"),
    ],
)
def test_passwords_are_masked(url, shown):
    assert masked_url(url) == shown


def test_the_environment_names_the_default_store():
    assert default_url({"RINGFENCE_STORE": "sqlite:///x.db"}) == "sqlite:///x.db"
    fallback = default_url({"RINGFENCE_STORE": ""})
    assert fallback.startswith("sqlite:////")
    assert Path(fallback.removeprefix("sqlite:///")).is_absolute()


def test_a_store_shows_its_url_masked(tmp_path):
    assert open_store(f"sqlite:///{tmp_path}/s.db").url == f"sqlite:///{tmp_path}/s.db"
