"""The stand-in as a process: ``python -m crmservice.testing.graph --mailbox crm@firma.cz --mails DIR --oauth FILE``."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
from pathlib import Path

from crmservice.testing.graph import faults
from crmservice.testing.graph.mail import MailServer
from crmservice.testing.graph.server import Fault


def main() -> None:
    """Serve until the input ends (Ctrl-D) or Ctrl-C; then say what was asked and what was not as described."""
    options = _options()
    server = MailServer(frozenset(options.role or ["Mail.ReadWrite"]))
    mailbox = server.add(options.mailbox)
    for file in sorted(options.mails.glob("*.eml")) if options.mails else ():
        mailbox.put(file.read_bytes())
    switches: dict[str, Fault] = {
        "throttled": faults.every(3, faults.throttled(options.seconds)),
        "busy": faults.throttled(options.seconds),
        "unavailable": faults.unavailable(0.2),
        "foreign-link": faults.linking("https://example.invalid/next"),
        "slow": faults.slow(options.seconds),
    }
    server.faults += [switches[name] for name in options.fault]
    mailbox.denied = options.denied
    with server.running(options.port):
        text = server.oauth_json(options.secret)
        if options.oauth:
            options.oauth.parent.mkdir(parents=True, exist_ok=True)
            options.oauth.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{text}\n{server.graph_uri} serves {len(mailbox.messages)} messages\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait() if options.forever else sys.stdin.read()
    asked = [f"{one.method} {'/'.join(one.path)}" for one in server.requests]
    sys.stdout.write("\n".join([*asked, *server.violations, f"left in the inbox: {len(mailbox.inbox())}", ""]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A stand-in for Microsoft Graph on this machine.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--mailbox", default="crm@firma.cz")
    parser.add_argument("--mails", type=Path, help="folder of .eml files for the inbox")
    parser.add_argument("--oauth", type=Path, help="write a MicrosoftOAuth.json for it there")
    parser.add_argument("--secret", default="", help="another secret in that file than the right one")
    parser.add_argument("--role", action="append", help="permission of the application; Mail.ReadWrite by default")
    parser.add_argument("--denied", action="store_true", help="the application access policy leaves the mailbox out")
    parser.add_argument("--seconds", type=float, default=2, help="of Retry-After, and of a slow answer")
    parser.add_argument("--forever", action="store_true", help="do not end with the input")
    names = ["throttled", "busy", "unavailable", "foreign-link", "slow"]
    parser.add_argument("--fault", action="append", default=[], choices=names)
    return parser.parse_args()


if __name__ == "__main__":
    main()
