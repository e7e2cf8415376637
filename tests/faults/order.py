"""Was every mail durable before it was deleted on the server? Read from a trace of system calls (SPEC chapter 3).

For each mail: its file synced < renamed < the folder synced < its row committed < only then DELE or EXPUNGE,
or 250 to a sender.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from tests.faults.strace import Call

_SYNCS = ("fsync", "fdatasync")
_MAIL = re.compile(r"Message-ID: <([^>]+)>")
_KEPT = re.compile(r"[0-9a-f-]{36}\.eml")
_IMAP_MAIL = re.compile(r"FETCH \(UID (\d+) BODY|Message-ID: <([^>]+)>")
_IMAP_DELETES = re.compile(r"UID (?:EXPUNGE ([0-9,:]+)|STORE ([0-9,:]+) \+FLAGS\S* \(\\\\Deleted)")


@dataclass
class _File:
    mail: str
    folder: str = ""
    done: list[str] = field(default_factory=list)


@dataclass
class _Session:
    """One connection: which number, or UID, is which mail."""

    sent: str = ""
    heard: str = ""
    asked: list[str] = field(default_factory=list)
    mails: dict[str, str] = field(default_factory=dict)


@dataclass
class Order:
    """Reads calls one by one. ``deleted`` holds the mails whose deletion was asked for, ``wrong`` what came too early."""

    deleted: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    _files: dict[str, _File] = field(default_factory=dict)  # name of the file, without .tmp
    _written: set[str] = field(default_factory=set)  # files whose rows are written, not yet committed
    _refused: set[str] = field(default_factory=set)  # files of which a sync failed
    _sessions: dict[str, _Session] = field(default_factory=dict)

    def read(self, calls: Iterable[Call]) -> Order:
        for call in calls:
            if call.files and call.result >= 0:
                self._take(call)
            elif call.files and call.name in _SYNCS:
                self._refuse(call.files[0])
        return self

    def _take(self, call: Call) -> None:
        where = call.files[0]
        if call.name == "sendto":
            self._send(self._sessions.setdefault(where, _Session()), call.texts[0])
        elif call.name == "recvfrom":
            self._receive(self._sessions.setdefault(where, _Session()), call.texts)
        elif call.name in ("write", "pwrite64"):
            self._write(where, call.texts)
        elif call.name in _SYNCS:
            self._sync(where)
        elif call.name.startswith("rename"):
            self._rename(call.files[-1], call.texts)

    # Files

    def _write(self, where: str, texts: tuple[str, ...]) -> None:
        text = texts[0] if texts else ""
        if where.endswith(".eml.tmp") and (mail := _MAIL.search(text)):
            self._files[PurePosixPath(where).name.removesuffix(".tmp")] = _File(mail[1])
        elif ".db" in PurePosixPath(where).name:
            self._written |= set(_KEPT.findall(text)) & self._files.keys()

    def _sync(self, where: str) -> None:
        name = PurePosixPath(where).name
        if name.endswith(".eml.tmp"):
            self._step(name.removesuffix(".tmp"), "synced", after=())
        elif ".db" in name:
            for kept in sorted(self._written):
                self._step(kept, "committed", after=("synced", "renamed", "folder synced"))
            self._written.clear()
        else:
            for kept, file in self._files.items():
                if file.folder == where and kept not in self._refused:
                    self._step(kept, "folder synced", after=("renamed",))

    def _refuse(self, where: str) -> None:
        """A sync failed: the kernel may have dropped what was written, so that another one would tell a lie (fsyncgate)."""
        name = PurePosixPath(where).name
        if ".db" in name:
            self._written.clear()
        elif name.endswith(".eml.tmp"):
            self._refused.add(name.removesuffix(".tmp"))
        else:
            in_it = {
                kept for kept, file in self._files.items() if file.folder == where and "folder synced" not in file.done
            }
            self._refused |= in_it

    def _rename(self, folder: str, texts: tuple[str, ...]) -> None:
        old, new = texts
        if old.endswith(".eml.tmp") and new in self._files:
            self._step(new, "renamed", after=("synced",))
            self._files[new].folder = folder

    def _step(self, kept: str, step: str, after: tuple[str, ...]) -> None:
        file = self._files.get(kept)
        if file is None:
            return
        if kept in self._refused:
            self.wrong.append(f"{file.mail}: {step} after a sync of it failed")
        if missing := [one for one in after if one not in file.done]:
            self.wrong.append(f"{file.mail}: {step} before it was {missing[0]}")
        if step not in file.done:
            file.done.append(step)

    # The conversation with the server

    def _receive(self, session: _Session, texts: tuple[str, ...]) -> None:
        session.heard += "".join(texts)
        # POP3 answers in the order of asking, however many were asked for together.
        session.mails |= dict(zip(session.asked, _MAIL.findall(session.heard), strict=False))

    def _send(self, session: _Session, text: str) -> None:
        session.sent += text
        while "\\r\\n" in session.sent:
            line, _, session.sent = session.sent.partition("\\r\\n")
            self._line(session, line)

    def _line(self, session: _Session, line: str) -> None:
        if line.startswith("RETR "):
            session.asked.append(line.split()[1])
        elif line.startswith("DELE "):
            self._delete(session, [line.split()[1]])
        elif line.startswith("250 2.0.0 stored as "):  # a mail that was handed over, and may be forgotten there now
            session.mails["answered"] = _MAIL.findall(session.heard)[-1]
            self._delete(session, ["answered"])
        elif found := _IMAP_DELETES.search(line):
            session.mails |= _imap_mails(session.heard)
            self._delete(session, _numbers(found[1] or found[2]))

    def _delete(self, session: _Session, numbers: Iterable[str]) -> None:
        committed = {file.mail for file in self._files.values() if "committed" in file.done}
        for number in numbers:
            mail = session.mails.get(number, f"a mail that was never read ({number})")
            self.deleted.add(mail)
            if mail not in committed:
                self.wrong.append(f"{mail}: deleted before it was committed")


def _imap_mails(heard: str) -> dict[str, str]:
    found: dict[str, str] = {}
    uid = ""
    for start, mail in _IMAP_MAIL.findall(heard):
        uid = start or uid
        if mail:
            found[uid] = mail
    return found


def _numbers(text: str) -> list[str]:
    """A UID set (RFC 9051, sequence-set) as numbers."""
    spans = [part.partition(":")[::2] for part in text.split(",")]
    return [str(number) for first, last in spans for number in range(int(first), int(last or first) + 1)]
