"""Encrypted connections to a server that takes no others, with a certificate by an authority of the test's own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import neo4j
import pytest

from graph.open import CA_VARIABLE, open_store
from scripts.neo4j_server import Server
from tests.faults.support import Ran
from tests.neo4j.support import Proxy, ServerDesk
from tests.require import QUICK, require_running

PROBLEM = 6
TLS_HANDSHAKE = b"\x16\x03"
"""How an encrypted connection begins."""
pytestmark = pytest.mark.timeout(300)


class Encrypted(Server):
    """A server that takes encrypted connections only."""

    def _driver(self, password: str) -> neo4j.Driver:
        return neo4j.GraphDatabase.driver(f"bolt+ssc://127.0.0.1:{self.port}", auth=("neo4j", password))


@dataclass(frozen=True)
class Secured:
    """The running server, its authority's certificate, and that of another authority."""

    server: Server
    authority: Path
    another: Path


def openssl(*words: object) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make certificates with")
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def make_authority(folder: Path, name: str) -> Path:
    """The certificate of a new authority; its key stands beside it."""
    file = folder / f"{name}.crt"
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", f"/CN={name}",
            "-keyout", file.with_suffix(".key"), "-out", file)  # fmt: skip
    return file


def make_certificate(folder: Path, authority: Path) -> None:
    """A key and a certificate for 127.0.0.1 alone, as Neo4j looks for them."""
    request, names = folder / "request", folder / "names"
    names.write_text("subjectAltName=IP:127.0.0.1\n", "utf-8")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=the server", "-out", request,
            "-keyout", folder / "private.key")  # fmt: skip
    openssl("x509", "-req", "-in", request, "-days", 2, "-CA", authority, "-CAkey", authority.with_suffix(".key"),
            "-CAcreateserial", "-extfile", names, "-out", folder / "public.crt")  # fmt: skip


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    authority, another = make_authority(folder, "authority"), make_authority(folder, "another")
    make_certificate(folder, authority)
    for name in ("trusted", "revoked"):
        (folder / name).mkdir()
    policy = "dbms.ssl.policy.bolt"
    settings = {
        "server.bolt.tls_level": "REQUIRED",
        f"{policy}.enabled": "true",
        f"{policy}.base_directory": str(folder),
        f"{policy}.client_auth": "NONE",
    }
    server = Encrypted(settings=settings, jvm=QUICK)
    require_running(server)
    open_store(server.url.replace("neo4j://", "bolt+ssc://")).close()
    yield Secured(server, authority, another)
    server.stop()


@dataclass(frozen=True)
class TrustingDesk(ServerDesk):
    """A desk whose commands trust the authority `ca`."""

    ca: str = ""

    @property
    def settings(self) -> dict[str, str]:
        return {**super().settings, CA_VARIABLE: self.ca}


@pytest.fixture
def desk(secured: Secured, tmp_path: Path) -> TrustingDesk:
    return TrustingDesk(tmp_path, at=secured.server.url)


def ask(desk: TrustingDesk, scheme: str, *, ca: Path | str = "", host: str = "127.0.0.1") -> Ran:
    """`ringfence status` by that scheme, with that authority trusted."""
    rest = desk.url.partition("://")[2].replace("@127.0.0.1:", f"@{host}:")
    return replace(desk, at=f"{scheme}://{rest}", ca=str(ca))("status")


def test_what_works_works_encrypted(secured: Secured, desk: TrustingDesk, market: Path) -> None:
    with Proxy(secured.server.port, heard=bytearray()) as proxy:
        login = desk.url.partition("://")[2].rpartition("@")[0]
        far = replace(desk, at=f"bolt+ssc://{login}@127.0.0.1:{proxy.port}/neo4j")
        far.done("load", market)
        assert proxy.heard is not None
        assert proxy.heard.startswith(TLS_HANDSHAKE)
        assert b"MERGE" not in proxy.heard, "statements went over the way in the clear"
    for scheme in ("neo4j+ssc", "bolt+ssc"):
        assert ask(desk, scheme).code == 0


@pytest.mark.parametrize("scheme", ["neo4j+s", "bolt+s"])
def test_a_certificate_by_nobody_known_is_refused_in_one_line_that_says_what_to_do(
    scheme: str, desk: TrustingDesk
) -> None:
    ran = ask(desk, scheme)
    assert ran.code == PROBLEM
    assert "the server's certificate is not trusted" in ran.told
    assert CA_VARIABLE in ran.told


@pytest.mark.parametrize("scheme", ["neo4j+s", "bolt+s", "neo4j", "bolt", "neo4j+ssc"])
def test_the_authority_that_is_named_is_trusted_and_no_other(scheme: str, secured: Secured, desk: TrustingDesk) -> None:
    trusted = ask(desk, scheme, ca=secured.authority)
    assert trusted.code == 0, trusted.err
    ran = ask(desk, scheme, ca=secured.another)
    assert ran.code == PROBLEM
    assert "the server's certificate is not trusted" in ran.told


def test_a_certificate_for_another_host_is_refused(secured: Secured, desk: TrustingDesk) -> None:
    ran = ask(desk, "bolt+s", ca=secured.authority, host="localhost")
    assert ran.code == PROBLEM
    assert "the server's certificate is not trusted" in ran.told
    assert "localhost" in ran.told


@pytest.mark.parametrize("scheme", ["neo4j", "bolt"])
def test_who_comes_unencrypted_is_told(scheme: str, desk: TrustingDesk) -> None:
    ran = ask(desk, scheme)
    assert ran.code == PROBLEM
    assert "whether it wants an encrypted connection" in ran.told


def test_a_server_that_is_not_set_up_for_encryption_is_told(server: Server, tmp_path: Path) -> None:
    ran = ask(TrustingDesk(tmp_path, at=server.url), "neo4j+s")
    assert ran.code == PROBLEM
    assert "no encrypted connection could be made" in ran.told
