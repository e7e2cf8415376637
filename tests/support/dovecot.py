"""A throw-away Dovecot for one test session: its own folder, free ports, certificates of its own CA.

Installed if it is missing and that is possible; otherwise tests that need it are skipped with the reason.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import Certificates, make_certificates
from tests.support.jwt import ISSUER, Signer

PACKAGES = ("dovecot-imapd", "dovecot-pop3d")
MAIL_ID = 5000

CONFIG = """
base_dir = {base}/run
state_dir = {base}/run
log_path = {base}/dovecot.log
protocols = imap pop3
listen = 127.0.0.1
mail_location = maildir:{base}/mail/%u/Maildir
mail_uid = {uid}
mail_gid = {uid}
first_valid_uid = {uid}
auth_mechanisms = {mechanisms}
disable_plaintext_auth = no
auth_failure_delay = 0 secs
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
pop3_uidl_format = %08Xu%08Xv
passdb {{
  driver = passwd-file
  mechanisms = plain login
  args = {base}/users
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {base}/oauth2.conf.ext
  username_filter = crm@firma.cz
}}
# An empty file: whoever may not use the mailbox hears NO and not UNAVAILABLE (CALENDAR D1).
passdb {{
  driver = passwd-file
  mechanisms = xoauth2 oauthbearer
  args = {base}/nobody
}}
userdb {{
  driver = passwd-file
  args = {base}/users
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
  }}
}}
"""

# A token of an application names no mailbox: any that the filter above allows may be opened by it.
OAUTH2_LOCAL = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={keys}/
username_attribute = appid
username_format = app
issuers = {issuer}
"""
OAUTH2_ASKED = """
introspection_mode = post
introspection_url = {url}
force_introspection = yes
active_attribute = active
active_value = true
username_attribute = appid
username_format = app
"""
MECHANISMS = "plain login xoauth2 oauthbearer"


def installed() -> bool:
    """Whether Dovecot is there, after an attempt to install it."""
    if shutil.which("dovecot"):
        return True
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return False
    command = ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES]
    return subprocess.run(command, capture_output=True, timeout=300, check=False).returncode == 0


def why_not() -> str:
    """Why no Dovecot can be started here, or an empty text."""
    if os.name != "posix" or os.geteuid() != 0:
        return "Dovecot is started by root alone"
    return "" if installed() else "Dovecot is not installed: apt-get install " + " ".join(PACKAGES)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass
class Dovecot:
    """A running server. ``ports``: pop3, pop3s, imap, imaps."""

    base: Path
    ports: dict[str, int]
    certificates: Certificates
    process: subprocess.Popen[bytes]
    signer: Signer
    password: str = "S3CR3T-CANARY-7f"

    def maildir(self, user: str) -> Path:
        return self.base / "mail" / user / "Maildir"

    def empty(self, user: str = "crm@firma.cz") -> None:
        """A mailbox as new: UIDVALIDITY and all."""
        shutil.rmtree(self.base / "mail" / user, ignore_errors=True)

    def deliver(self, data: bytes, user: str = "crm@firma.cz", name: str | None = None) -> None:
        """Put a message into the mailbox as it is, byte for byte."""
        new = self.maildir(user) / "new"
        for folder in (self.base / "mail" / user, self.maildir(user), new, new.parent / "tmp", new.parent / "cur"):
            folder.mkdir(parents=True, exist_ok=True)
            os.chown(folder, MAIL_ID, MAIL_ID)
        path = new.parent / "tmp" / (name or f"{time.time_ns()}.M1.test")
        path.write_bytes(data)
        os.chown(path, MAIL_ID, MAIL_ID)
        path.rename(new / path.name)  # whole at once: a client may be waiting for it

    def left(self, user: str = "crm@firma.cz") -> list[bytes]:
        """The messages that are in the mailbox now; one that a session removes or renames at this moment may be left out."""
        folders = (self.maildir(user) / "new", self.maildir(user) / "cur")
        found = []
        for path in (path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())):
            with contextlib.suppress(FileNotFoundError):
                found.append(path.read_bytes())
        return found

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


QUOTA = """
mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = count:Uživatel
  quota_rule = *:storage=1M
  quota_vsizes = yes
}
"""


def start(base: Path, *, mechanisms: str = MECHANISMS, introspection_url: str = "", more: str = "") -> Dovecot:
    """Start a server that takes tokens of its signer, or those that are known under the URL. ``more``: of its settings."""
    base.chmod(0o755)
    certificates = make_certificates(base / "certificates")
    ports = {name: free_port() for name in ("pop3", "pop3s", "imap", "imaps")}
    cert, key = certificates.pair("good")
    (base / "mail").mkdir()
    os.chown(base / "mail", MAIL_ID, MAIL_ID)
    users = [
        f"{name}:{{PLAIN}}S3CR3T-CANARY-7f:{MAIL_ID}:{MAIL_ID}::/nonexistent::"
        for name in ("crm@firma.cz", "other@firma.cz")
    ]
    (base / "users").write_text("\n".join(users) + "\n")
    signer = Signer(base / "tokens").make()
    asked = OAUTH2_ASKED.format(url=introspection_url) if introspection_url else ""
    (base / "oauth2.conf.ext").write_text(asked or OAUTH2_LOCAL.format(keys=signer.keys, issuer=ISSUER))
    (base / "nobody").touch()
    config = base / "dovecot.conf"
    config.write_text(CONFIG.format(base=base, uid=MAIL_ID, cert=cert, key=key, mechanisms=mechanisms, **ports) + more)
    process = subprocess.Popen(
        ["dovecot", "-F", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _wait_for(ports["imaps"], process, base / "dovecot.log")
    return Dovecot(base, ports, certificates, process, signer)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    msg = f"Dovecot did not start: {log.read_text() if log.exists() else 'no log'}"
    raise RuntimeError(msg)
