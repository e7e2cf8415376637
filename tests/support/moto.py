"""moto's S3 as a server of its own, in the venv that tools/servers.sh makes: it pins a python-dateutil that is not ours."""

from __future__ import annotations

import http.client
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.dovecot import free_port

PLACE = Path(os.environ.get("CRMSERVICE_SERVERS", Path.home() / ".cache" / "crmservice-servers"))
PROGRAM = PLACE / "moto" / "bin" / "moto_server"
BUCKET = "mail"
KEY, SECRET = "AKIA-a-key-of-tests", "a-secret-of-tests"


def why_not() -> str:
    """Why no object store can be started here; empty where one can."""
    return "" if PROGRAM.is_file() else f"no moto at {PROGRAM}: make servers"


@dataclass(frozen=True)
class Store:
    """A running store with one bucket."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self, prefix: str = "") -> dict[str, str]:
        """The keys of crmservice.toml."""
        return {
            "mail_store": f"s3://{BUCKET}/{prefix}".rstrip("/"), "mail_store_endpoint": self.endpoint,
            "mail_store_key": KEY, "mail_store_secret": SECRET,
        }  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One for the tests of a module; they are skipped where none can be started."""
    if why := why_not():
        pytest.skip(why)
    with running(tmp_path_factory.mktemp("moto")) as found:
        yield found


@contextmanager
def running(folder: Path) -> Iterator[Store]:
    """Start one; it ends with the block."""
    port = free_port()
    with (folder / "moto.log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
    try:
        _make_bucket(port, process)
        yield Store(port, process)
    finally:
        process.terminate()
        process.wait(20)


def _make_bucket(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("PUT", f"/{BUCKET}")
            assert connection.getresponse().status == 200
        except ConnectionError:
            assert process.poll() is None, "moto died"
            assert time.monotonic() < deadline, "moto does not answer"
            time.sleep(0.05)
        else:
            connection.close()
            return
