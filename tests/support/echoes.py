"""Servers that refuse every login and repeat what they heard: as a careless one, or one that debugs, does."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
import ssl
from collections.abc import Callable
from pathlib import Path

from tests.support.stub import Talk


def over_tls(handler: Callable[[Talk], None], pair: tuple[Path, Path]) -> Callable[[Talk], None]:
    """The same behind TLS from the first byte on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)

    def talk(plain: Talk) -> None:
        with context.wrap_socket(plain.sock, server_side=True) as sock:
            handler(Talk(sock, plain.received))

    return talk


def _heard(line: bytes) -> bytes:
    """The line, and what its last word says in base64."""
    said = line
    with contextlib.suppress(binascii.Error, IndexError):
        said += b" = " + base64.b64decode(line.split()[-1], validate=True)
    return re.sub(rb"[\0\1\r\n]", b" ", said)


def pop3(talk: Talk) -> None:
    talk.send(b"+OK ready")
    while True:
        line = talk.line()
        if line.startswith(b"CAPA"):
            talk.send(b"+OK", b"SASL PLAIN XOAUTH2", b"USER", b".")
        elif line.startswith(b"AUTH") and len(line.split()) == 2:
            talk.send(b"+ ")
        elif line.startswith((b"USER", b"QUIT")):
            talk.send(b"+OK")
        else:
            talk.send(b"-ERR [AUTH] bad login: " + _heard(line))


def imap(talk: Talk) -> None:
    talk.send(b"* OK ready")
    while True:
        tag, _, rest = talk.line().partition(b" ")
        if rest.startswith(b"CAPABILITY"):
            talk.send(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 UIDPLUS", tag + b" OK done")
        elif rest.startswith(b"LOGOUT"):
            talk.send(b"* BYE", tag + b" OK done")
            return
        else:
            if rest.startswith(b"AUTHENTICATE") and len(rest.split()) == 2:
                talk.send(b"+ ")
                rest = talk.line()
            talk.send(tag + b" NO [AUTHENTICATIONFAILED] bad login: " + _heard(rest))


def smtp(talk: Talk) -> None:
    talk.send(b"220 ready")
    while True:
        line = talk.line()
        if line.upper().startswith(b"EHLO"):
            talk.send(b"250-me", b"250 AUTH PLAIN LOGIN XOAUTH2")
        elif line.upper().startswith(b"QUIT"):
            talk.send(b"221 bye")
            return
        else:
            talk.send(b"535 5.7.8 bad login: " + _heard(line))


def http(talk: Talk) -> None:
    """A token endpoint's refusal, with the request in its explanation."""
    said, length = [], 0
    while line := talk.line():
        said.append(line.decode())
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    said.append(talk.exactly(length).decode())
    text = f"AADSTS7000215: Invalid client secret provided: {' '.join(said)}"
    data = json.dumps({"error": "invalid_client", "error_description": text, "error_codes": [7000215]}).encode()
    talk.raw(b"HTTP/1.1 401 no\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(data) + data)
