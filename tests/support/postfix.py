"""A throw-away Postfix: its own folder and queue, mail by given transports; a port of its own only where one is given."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

MAIN = """
compatibility_level = 3.6
queue_directory = {base}/queue
data_directory = {base}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {base}/log
maillog_file_prefixes = {base}
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = sender.example
mydestination =
relay_domains = firma.cz
relay_recipient_maps =
alias_maps =
alias_database =
local_recipient_maps =
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_tls_security_level = none
lmtp_tls_security_level = none
default_transport = discard
transport_maps = regexp:{base}/etc/transport
message_size_limit = 200000000
mailbox_size_limit = 0
minimal_backoff_time = 600s
maximal_backoff_time = 600s
"""

# What master(5) needs to send.
MASTER = """
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
smtptls unix - - n - - smtp -o smtp_tls_security_level=encrypt
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

SMTPD = """127.0.0.1:{port} inet n - n - - smtpd
  -o mynetworks= -o smtpd_recipient_restrictions=reject_unauth_destination
  -o smtpd_relay_restrictions=
"""

_ANSWER = re.compile(r"to=<([^>]+)>.* status=(\w+) \((.*)\)$", re.MULTILINE)

Answer = tuple[str, str]
"""``sent``, ``deferred`` or ``bounced``, and what the server said."""


def why_not() -> str:
    """Why no Postfix can be started here, or an empty text."""
    if os.name != "posix" or os.geteuid() != 0:
        return "Postfix is started by root alone"
    return "" if shutil.which("postfix", path=_path()) else "Postfix is not installed: make servers"


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin"


@dataclass
class Postfix:
    """A running instance."""

    base: Path

    def send(self, mail: bytes, recipient: str = "crm@firma.cz", sender: str = "eva@acme.cz") -> None:
        """Give a mail to its queue."""
        self.run("sendmail", "-C", str(self.base / "etc"), "-i", "-f", sender, "--", recipient, given=mail)

    def answers(self, recipient: str) -> list[Answer]:
        """What came of each try for this recipient."""
        log = self.base / "log"
        found = _ANSWER.findall(log.read_text()) if log.exists() else []
        return [(status, said) for to, status, said in found if to == recipient]

    def wait(self, recipient: str) -> Answer:
        """The answer of the first try, as soon as it is there."""
        return self._answered(recipient, 1, 30) or self._silent(recipient)

    def wait_again(self, recipient: str) -> Answer:
        """Try at once what is deferred, until there is a second answer; gives it.

        Postfix writes an answer down before it puts the mail back into its deferred queue: asked for in between,
        a flush finds nothing to do.
        """
        for _ in range(60):
            self.run("postqueue", "-c", str(self.base / "etc"), "-f")
            if answer := self._answered(recipient, 2, 0.5):
                return answer
        return self._silent(recipient)

    def _answered(self, recipient: str, tries: int, seconds: float) -> Answer | None:
        """The answer of this try, if there is one in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if len(found := self.answers(recipient)) >= tries:
                return found[tries - 1]
            time.sleep(0.01)
        return None

    def _silent(self, recipient: str) -> NoReturn:
        msg = f"no answer for {recipient}: {(self.base / 'log').read_text()}"
        raise AssertionError(msg)

    def run(self, *command: str, given: bytes = b"") -> None:
        """Run one of its programs."""
        program = shutil.which(command[0], path=_path())
        assert program is not None
        done = subprocess.run([program, *command[1:]], input=given, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr.decode()


@contextmanager
def sending(base: Path, transports: Mapping[str, str], smtpd: int = 0) -> Iterator[Postfix]:
    """Postfix with a transport for each recipient that a regular expression finds; other mail it throws away.

    ``smtp:[127.0.0.1]:2525``, ``lmtp:inet:127.0.0.1:2525``; ``smtptls`` is smtp that insists on TLS. Others must be
    able to walk to ``base``. ``smtpd``: a port of the loopback where it takes mail for firma.cz alone.
    """
    for name in ("etc", "queue", "data"):
        (base / name).mkdir()
    shutil.chown(base / "data", "postfix")
    daemons = next(path for path in ("/usr/lib/postfix/sbin", "/usr/libexec/postfix") if Path(path).is_dir())
    etc = base / "etc"
    (etc / "main.cf").write_text(MAIN.format(base=base, daemons=daemons))
    (etc / "master.cf").write_text(MASTER + (SMTPD.format(port=smtpd) if smtpd else ""))
    (etc / "transport").write_text("".join(f"/{who}/ {where}\n" for who, where in transports.items()))
    running = Postfix(base)
    running.run("postfix", "-c", str(etc), "start")
    try:
        yield running
    finally:
        running.run("postfix", "-c", str(etc), "stop")
