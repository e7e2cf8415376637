#!/usr/bin/env python3
"""The floor of ``compare.py``: the least that any service of this kind must do for a mail: floor.py MAILS HOME.

Read the file; parse it with the standard library (compat32) and decode its headers and texts; SHA-256; keep a raw copy,
fsynced with its folder in batches of 50; write message, activity and attachment rows into SQLite, durably
(WAL, synchronous=FULL), a transaction for each batch. No rules, no address book, no trail.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
import uuid
from collections.abc import Iterator
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from pathlib import Path

BATCH = 50
TABLES = """
CREATE TABLE message (id INTEGER PRIMARY KEY, sha256 TEXT, path TEXT, sender TEXT, subject TEXT, key TEXT UNIQUE);
CREATE TABLE activity (id INTEGER PRIMARY KEY, message INTEGER, subject TEXT, body TEXT, html TEXT, sent TEXT);
CREATE TABLE attachment (id INTEGER PRIMARY KEY, activity INTEGER, name TEXT, kind TEXT, content BLOB);
CREATE INDEX activity_message ON activity (message);
"""


def decoded(value: object) -> str:
    try:
        return str(make_header(decode_header(str(value))))
    except (LookupError, ValueError):
        return str(value)


def text_of(part: Message) -> str:
    raw = part.get_payload(decode=True) or b""
    try:
        return bytes(raw).decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return bytes(raw).decode("latin-1")


def leaves(mail: Message) -> Iterator[Message]:
    return (part for part in mail.walk() if not part.is_multipart())


def keep(raw: bytes, folder: Path) -> tuple[str, int]:
    """A raw copy, not yet synced: its final name and the open file."""
    path = folder / f"{uuid.uuid4()}.eml"
    handle = os.open(path.with_suffix(".tmp"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(handle, raw)
    return str(path), handle


def settle(kept: list[tuple[str, int]], folder: Path) -> None:
    """Make a batch of raw copies durable: files, names, folder."""
    for path, handle in kept:
        os.fsync(handle)
        os.close(handle)
        Path(path).with_suffix(".tmp").rename(path)
    at = os.open(folder, os.O_RDONLY)
    os.fsync(at)
    os.close(at)


def store(database: sqlite3.Connection, raws: list[bytes], paths: list[str]) -> None:
    database.execute("BEGIN IMMEDIATE")
    for raw, path in zip(raws, paths, strict=True):
        mail = message_from_bytes(raw)
        headers = {"From": "", "Subject": "", "Date": "", "Message-ID": ""} | {n: decoded(v) for n, v in mail.items()}
        sha256 = hashlib.sha256(raw).hexdigest()
        row = (sha256, path, headers["From"], headers["Subject"], f"{headers['Message-ID']} {path}")
        key = database.execute(
            "INSERT INTO message (sha256, path, sender, subject, key) VALUES (?,?,?,?,?)", row
        ).lastrowid
        texts = {"text/plain": "", "text/html": ""}
        files = []
        for part in leaves(mail):
            kind = part.get_content_type()
            if kind in texts and not part.get_filename():
                texts[kind] = text_of(part)
            else:
                files.append((part.get_filename() or "", kind, part.get_payload(decode=True)))
        values = (key, headers["Subject"], texts["text/plain"], texts["text/html"], headers["Date"])
        activity = database.execute(
            "INSERT INTO activity (message, subject, body, html, sent) VALUES (?,?,?,?,?)", values
        ).lastrowid
        database.executemany(
            "INSERT INTO attachment (activity, name, kind, content) VALUES (?,?,?,?)",
            [(activity, *file) for file in files],
        )
    database.execute("COMMIT")


def main() -> int:
    mails, home = Path(sys.argv[1]), Path(sys.argv[2])
    folder = home / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(home / "floor.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.executescript(TABLES)
    names = sorted(path for path in mails.iterdir() if path.suffix == ".eml")
    for start in range(0, len(names), BATCH):
        raws = [path.read_bytes() for path in names[start : start + BATCH]]
        kept = [keep(raw, folder) for raw in raws]
        settle(kept, folder)
        store(database, raws, [path for path, _ in kept])
    database.close()
    print(len(names))
    return 0


if __name__ == "__main__":
    sys.exit(main())
