"""The home folder's XML files -> Boxes, with every fault of every file at once (SPEC chapter 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from crmservice.config import parse
from crmservice.config.oauth_file import microsoft_oauth
from crmservice.config.values import Box, Endpoint, Fault, Login, Settings
from crmservice.config.wording import MISSING, OTHER_SECRET, SEE_DOCUMENTATION, unknown_key, unreadable
from crmservice.config.xml_file import Entry, read_entries
from crmservice.errors import BadValue
from crmservice.words import Words, joined

Parser = Callable[[str], Any]


class Key(NamedTuple):
    """How one key is read: ``field`` of Box it fills as it stands ("" where assembled), ``many`` may repeat.

    ``soft``: a bad value is a warning and the key is left out (paths of another system must not stop mail).
    """

    field: str
    parser: Parser
    many: bool = False
    soft: bool = False


KEYS: dict[str, Key] = {
    "rootPath": Key("root_path", parse.absolute_path, soft=True),
    "stopFrom": Key("stop_from", parse.clock),
    "stopTo": Key("stop_to", parse.clock),
    "timeZone": Key("zone", parse.zone),
    "smtpServer": Key("", parse.text),
    "smtpName": Key("", parse.text),
    "smtpPassword": Key("", str),
    "smtpOAuth": Key("", parse.boolean),
    "errorFrom": Key("error_from", parse.address),
    "errorTo": Key("error_to", parse.address),
    "pop3Url": Key("", parse.text),
    "pop3Email": Key("email", parse.address),
    "pop3Name": Key("", parse.text),
    "pop3Password": Key("", str),
    "pop3OAuth": Key("", parse.boolean),
    "ourDomains": Key("our_domains", parse.domain, many=True),
    "emlDir": Key("eml_dir", parse.absolute_path, soft=True),
    "saveOriginalsFrom": Key("save_originals_from", parse.address, many=True),
    "saveIncomingAsPending": Key("save_incoming_as_pending", parse.boolean),
    "ignoreSubject": Key("ignore_subjects", parse.text, many=True),
    "imapUrl": Key("", parse.text),
    "imapName": Key("", parse.text),
    "imapPassword": Key("", str),
    "imapOAuth": Key("", parse.boolean),
    "imapFolder": Key("imap_folder", parse.text),
    "graphMailbox": Key("graph_mailbox", parse.address),
    "smtpListen": Key("smtp_listen", parse.listen),
    "smtpListenNetworks": Key("smtp_listen_networks", parse.network, many=True),
    "smtpListenCert": Key("smtp_listen_cert", parse.existing_file),
    "smtpListenKey": Key("smtp_listen_key", parse.existing_file),
    "rules": Key("rules", parse.choice("manual", "safe")),
    "internalMail": Key("internal_mail", parse.choice("file", "private", "skip")),
    "bulkMail": Key("bulk_mail", parse.choice("file", "list")),
    "onlyKnownSenders": Key("only_known_senders", parse.boolean),
    "neverFile": Key("never_file", parse.address_or_domain, many=True),
    "journal": Key("journal", parse.boolean),
    "replyToFrom": Key("reply_to_from", parse.address, many=True),
    "serviceSenders": Key("service_senders", parse.address, many=True),
    "authservId": Key("authserv_ids", lambda value: parse.text(value).lower(), many=True),
    "pollSeconds": Key("poll_seconds", parse.integer(1, 86_400)),
    "allowInsecure": Key("allow_insecure", parse.boolean),
    "tlsCaFile": Key("tls_ca_file", parse.existing_file),
    "maxMessageBytes": Key("max_message_bytes", parse.integer(1024, 2**31 - 1)),
}
"""Every key of a box. docs/configuration.md documents each; a test holds the two against each other."""

_IN_ORDER = {"ignore_subjects", "authserv_ids", "smtp_listen_networks"}


@dataclass(frozen=True, slots=True)
class BoxesResult:
    """What the home folder's XML files give. A box with a fault is not among ``boxes``.

    ``broken``: boxes with a fault as far as they can be read, to tell their errorTo of it.
    """

    boxes: tuple[Box, ...]
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]
    broken: tuple[Box, ...] = ()


class _File:
    """One XML file being read: its entries by key, the values found, and what is wrong."""

    def __init__(self, file: Path, settings: Settings, environ: Mapping[str, str]) -> None:
        self.file, self.settings, self.environ = file, settings, environ
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []
        self.values: dict[str, Any] = {}
        self.lines: dict[str, int] = {}

    def fault(self, key: str, message: Words, advice: Words | None = None) -> None:
        """The box can't be used because of this."""
        self.faults.append(Fault(self.file, self.lines.get(key, 0), key, message, advice))

    def warn(self, key: str, message: Words, advice: Words | None = None) -> None:
        """The box runs, but the administrator should know this."""
        self.warnings.append(Fault(self.file, self.lines.get(key, 0), key, message, advice))

    def read(self) -> Box | None:
        """The box; None where there is no telling what it is. With a fault it must not be worked on."""
        entries, faults = read_entries(self.file)
        self.faults += faults
        if faults and not entries:
            return None
        for key, found in _by_key(entries).items():
            self.lines[key] = found[0].line
            self._take(key, found)
        return self._box()

    def _take(self, key: str, found: list[Entry]) -> None:
        spec = KEYS.get(key)
        if spec is None:
            self.warn(key, *unknown_key(key, KEYS))
            return
        if not spec.many:
            self._once(key, found)
            found = found[-1:]
        parsed = [self._parse(spec, entry) for entry in found]
        values = [value for value in parsed if value is not None]
        if values:
            self.values[key] = values if spec.many else values[0]

    def _once(self, key: str, found: list[Entry]) -> None:
        if len({entry.value for entry in found}) > 1:
            lines = ", ".join(str(entry.line) for entry in found)
            self.fault(key, Words("is given more than once (lines {lines})", lines=lines), Words("keep one"))
        elif len(found) > 1:
            self.warn(key, Words("is given more than once"), Words("keep one"))

    def _parse(self, spec: Key, entry: Entry) -> object:
        try:
            return spec.parser(entry.value)
        except BadValue as error:
            advice = Words("it is ignored; write a path of this machine") if spec.soft else SEE_DOCUMENTATION
            found = Fault(self.file, entry.line, entry.key, error.words, advice)
            (self.warnings if spec.soft else self.faults).append(found)
            return None

    def _box(self) -> Box | None:
        email = self.values.get("pop3Email")
        if email is None and "pop3Email" not in self.lines:
            self.fault("pop3Email", MISSING, Words("it is the technology box's address, crm@firma.cz"))
        self._pause()
        servers = self._servers()
        if email is None:
            return None
        box = replace(
            Box(self.file.stem, email, self.file, self.settings.home, zone=self.settings.zone),
            **self._plain(),
            **servers,
        )
        box = replace(box, our_domains=box.our_domains | {email.rpartition("@")[2]})
        self._oauth(box)
        self._listens(box)
        self._collects(box)
        return box

    def _plain(self) -> dict[str, Any]:
        """The fields of Box that are filled as they stand."""
        fields = {KEYS[key].field: value for key, value in self.values.items() if KEYS[key].field}
        many = {name: value for name, value in fields.items() if isinstance(value, list)}
        return fields | {n: tuple(dict.fromkeys(v)) if n in _IN_ORDER else frozenset(v) for n, v in many.items()}

    def _pause(self) -> None:
        for given, missing in (("stopFrom", "stopTo"), ("stopTo", "stopFrom")):
            if given in self.lines and missing not in self.lines:
                message = Words("is missing, but {given} is given", given=given)
                self.fault(missing, message, Words("give both or neither"))

    def _servers(self) -> dict[str, Any]:
        insecure = self.values.get("allowInsecure", False)
        oauth = self.values.get("pop3OAuth", False)
        pop3 = self._endpoint("pop3Url", lambda url: parse.pop3_endpoint(url, insecure=insecure, oauth=oauth))
        imap = self._endpoint("imapUrl", lambda url: parse.imap_endpoint(url, insecure=insecure))
        smtp = self._endpoint("smtpServer", lambda url: parse.smtp_endpoint(url, insecure=insecure))
        return {
            "pop3": pop3,
            "pop3_login": self._login("pop3", needed=pop3 is not None),
            "imap": imap,
            "imap_login": self._login("imap", needed=imap is not None),
            "smtp": smtp,
            "smtp_login": self._login("smtp", needed=False),
        }

    def _endpoint(self, key: str, make: Callable[[str], Endpoint]) -> Endpoint | None:
        if key not in self.values:
            return None
        try:
            return make(self.values[key])
        except BadValue as error:
            self.fault(key, error.words, SEE_DOCUMENTATION)
            return None

    def _login(self, kind: str, *, needed: bool) -> Login | None:
        """Name and password of a server. The name is the box's address unless given."""
        oauth = self.values.get(f"{kind}OAuth", False)
        name = self.values.get(f"{kind}Name", self.values.get("pop3Email", ""))
        given = self.values.get(f"{kind}Password")
        if needed and given is None and not oauth:
            advice = Words("give it, or {key}=true for Microsoft 365", key=f"{kind}OAuth")
            self.fault(f"{kind}Password", MISSING, advice)
        if not (needed or oauth or given or f"{kind}Name" in self.values):
            return None
        try:
            password = parse.secret(given, self.settings.home, self.environ) if given else None
        except BadValue as error:
            self.fault(f"{kind}Password", error.words, OTHER_SECRET)
            return None
        return Login(name, password, oauth)

    def _oauth(self, box: Box) -> None:
        """OAuth2 and Graph need a MicrosoftOAuth.json that can be used."""
        keys = [key for key in ("pop3OAuth", "imapOAuth", "smtpOAuth", "graphMailbox") if self.values.get(key)]
        if not keys:
            return
        _, faults = microsoft_oauth(box.root_path, self.settings.home, self.environ)
        for found in faults:
            self.fault(
                keys[0],
                Words("can't be used: {fault}", fault=joined(": ", (found.place, found.key, found.message))),
                found.advice,
            )

    def _listens(self, box: Box) -> None:
        """What other machines hand over must not come in the clear; a key is nothing without its certificate."""
        if "smtpListenCert" in self.lines:
            return
        if "smtpListenKey" in self.lines:
            message = Words("is missing, but {given} is given", given="smtpListenKey")
            self.fault("smtpListenCert", message, Words("give the certificate too"))
        elif not box.allow_insecure and parse.open_to_others(box.smtp_listen, box.smtp_listen_networks):
            message = Words("is missing, but other machines may deliver to smtpListen")
            advice = Words("give smtpListenCert and smtpListenKey, or allowInsecure=true")
            self.fault("smtpListenCert", message, advice)

    def _collects(self, box: Box) -> None:
        # A source whose value is refused has a fault of its own; that nothing is left follows from it.
        if not (self.faults or any((box.pop3, box.imap, box.eml_dir, box.graph_mailbox, box.smtp_listen))):
            message = Words("is missing, and no other source is given: the box collects nothing")
            self.warn("pop3Url", message, Words("give pop3Url"))


def _by_key(entries: list[Entry]) -> dict[str, list[Entry]]:
    """The entries of each key in their order. An empty value is as good as none: old files hold such lines."""
    grouped: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.value:
            grouped.setdefault(entry.key, []).append(entry)
    return grouped


def box_files(home: Path) -> list[Path]:
    """The XML files of the home folder, in the order of their names."""
    return sorted(path for path in home.iterdir() if path.suffix.lower() == ".xml" and path.is_file())


def load_boxes(home: Path, settings: Settings, environ: Mapping[str, str]) -> BoxesResult:
    """Every usable technology box of the home folder, and all that is wrong with the files; never raises."""
    try:
        files = box_files(home)
    except OSError as error:
        return BoxesResult((), (Fault(home, 0, "", unreadable(error), Words("give --home DIR")),), ())
    readers = [_File(file, settings, environ) for file in files]
    read = [(reader, box) for reader in readers if (box := reader.read()) is not None]
    kept, faults, warnings = _without_second_readers([box for reader, box in read if not reader.faults])
    return BoxesResult(
        tuple(kept),
        tuple(fault for reader in readers for fault in reader.faults) + tuple(faults),
        tuple(warning for reader in readers for warning in reader.warnings) + tuple(warnings),
        tuple(box for reader, box in read if reader.faults),
    )


def _readings(box: Box) -> dict[str, tuple[object, ...]]:
    """What the box reads, by the key that names it: no two boxes may read the same."""
    found: dict[str, tuple[object, ...]] = {"": (box.name.casefold(),)}
    if box.pop3 and box.pop3_login:
        found["pop3Url"] = (box.pop3.host.lower(), box.pop3.port, box.pop3_login.name.lower())
    if box.imap and box.imap_login:
        found["imapUrl"] = (box.imap.host.lower(), box.imap.port, box.imap_login.name.lower(), box.imap_folder)
    if box.graph_mailbox:
        found["graphMailbox"] = (box.graph_mailbox,)
    if box.smtp_listen:
        found["smtpListen"] = (box.smtp_listen,)
    return found


def _without_second_readers(boxes: list[Box]) -> tuple[list[Box], list[Fault], list[Fault]]:
    """The boxes that nobody before them reads, the faults of the others, and warnings."""
    kept: list[Box] = []
    faults: list[Fault] = []
    warnings: list[Fault] = []
    seen: dict[tuple[object, ...], Box] = {}
    for box in boxes:
        taken = [(key, seen[(key, *what)]) for key, what in _readings(box).items() if (key, *what) in seen]
        for key, first in taken:
            message = Words("is already read by the box {box} ({file})", box=first.name, file=first.file.name)
            faults.append(Fault(box.file, 0, key, message, Words("two readers of one mailbox: remove one")))
        if not taken:
            seen |= {(key, *what): box for key, what in _readings(box).items()}
            kept.append(_with_own_folder(box, kept, warnings))
    return kept, faults, warnings


def _with_own_folder(box: Box, before: list[Box], warnings: list[Fault]) -> Box:
    """The box without an import folder that another imports; a copied line must not stop its mail."""
    for other in before:
        if other.email == box.email:
            message = Words("is the address of the box {box} ({file}) too", box=other.name, file=other.file.name)
            warnings.append(Fault(box.file, 0, "pop3Email", message, Words("give each box an address of its own")))
        if box.eml_dir and other.eml_dir == box.eml_dir:
            message = Words(
                "is already imported by the box {box} ({file}) and is ignored here",
                box=other.name,
                file=other.file.name,
            )
            warnings.append(Fault(box.file, 0, "emlDir", message, Words("remove it from one of the two")))
            return replace(box, eml_dir=None)
    return box
