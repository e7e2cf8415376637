"""The stand-in's mailboxes: list, MIME, deletion (learn.microsoft.com/graph/api/resources/message)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.parser import BytesHeaderParser
from typing import Literal
from urllib.parse import quote, urlencode

from crmservice.testing.graph.server import Answer, GraphServer, Request, refusal, resource

BEGINNING = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
_LISTING = {"$top", "$skip", "$select", "$orderby"}

Folder = Literal["inbox", "deleteditems", "recoverable", "purges"]


@dataclass
class Stored:
    """A message as it lies in a mailbox."""

    number: int
    mime: bytes
    folder: Folder = "inbox"


@dataclass
class Mailbox:
    """One mailbox. ``state``: ``absent`` answers as Graph does for a mailbox on premises or without a licence.

    ``denied``: the application access policy leaves it out. ``national``: a cloud without permanentDelete. ``remembers``:
    what was deleted is still found by its id, and refuses to be deleted (msgraph-sdk-dotnet issue 3047).
    """

    address: str
    state: Literal["there", "absent", "unknown"] = "there"
    denied: bool = False
    national: bool = False
    remembers: bool = False
    messages: list[Stored] = field(default_factory=list)

    def put(self, mime: bytes) -> Stored:
        """A message arrives."""
        self.messages.append(Stored(len(self.messages) + 1, mime))
        return self.messages[-1]

    def inbox(self) -> list[bytes]:
        """What lies in the inbox, in the order of arrival."""
        return [one.mime for one in self.messages if one.folder == "inbox"]

    def id_of(self, stored: Stored, *, immutable: bool) -> str:
        """Its id: the one that stays, or the one that names the folder too."""
        folder = "" if immutable else f"{stored.folder}-"
        return f"{'AAkALg' if immutable else 'AAMkAD'}{folder}{stored.number:08}=="

    def find(self, name: str, *, immutable: bool) -> Stored | None:
        """The message of this id; an id of the other kind is none."""
        found = (one for one in self.messages if self.id_of(one, immutable=immutable) == name)
        return next((one for one in found if one.folder != "purges" or self.remembers), None)


class MailServer(GraphServer):
    """The stand-in with mailboxes. ``add`` makes one."""

    def __init__(self, roles: frozenset[str] = frozenset({"Mail.ReadWrite"}), **options: object) -> None:
        super().__init__(roles, **options)  # type: ignore[arg-type]
        self.mailboxes: dict[str, Mailbox] = {}
        message = "users/[^/]+/messages/(?P<name>[^/]+)"
        inbox = "users/[^/]+/mailFolders/inbox"
        self.routes += [
            ("GET", inbox, self._inbox),
            ("GET", f"{inbox}/messages", self._list),
            ("GET", f"{inbox}/messages/(?P<name>[^/]+)", self._in_inbox),
            ("GET", f"{message}/\\$value", self._mime),
            ("POST", f"{message}/permanentDelete", self._purge),
            ("DELETE", message, self._delete),
        ]

    def add(self, address: str) -> Mailbox:
        """A new, empty mailbox."""
        made = self.mailboxes[address.lower()] = Mailbox(address)
        return made

    def _mailbox(self, request: Request, *roles: str) -> Mailbox | Answer:
        """Whose mailbox it is, or why it can't be had."""
        found = self.mailboxes.get(request.mailbox)
        if self.roles.isdisjoint(roles):
            return refusal(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        if found is None or found.state == "unknown":
            return refusal(404, "ErrorInvalidUser", f"The requested user '{request.mailbox}' is invalid.")
        if found.state == "absent":
            text = "The mailbox is either inactive, soft-deleted, or is hosted on-premise."
            return refusal(404, "MailboxNotEnabledForRESTAPI", text)
        if found.denied:
            return refusal(403, "ErrorAccessDenied", "Access to OData is disabled.")
        return found

    def _inbox(self, request: Request) -> Answer:
        mailbox = self._mailbox(request, "Mail.Read", "Mail.ReadWrite")
        if isinstance(mailbox, Answer):
            return mailbox
        found = {"id": "AQMkAInbox", "displayName": "Inbox", "totalItemCount": len(mailbox.inbox())}
        wanted = request.query.get("$select", ",".join(found)).split(",")
        return resource({name: value for name, value in found.items() if name in wanted}, "mailFolder")

    def _list(self, request: Request) -> Answer:
        mailbox = self._mailbox(request, "Mail.Read", "Mail.ReadWrite")
        if isinstance(mailbox, Answer):
            return mailbox
        if unknown := set(request.query) - _LISTING:
            return refusal(400, "BadRequest", f"Unknown option {unknown}.")
        top, skip = int(request.query.get("$top", 10)), int(request.query.get("$skip", 0))
        if not 1 <= top <= 1000 or request.query.get("$orderby", "receivedDateTime desc") not in _ORDERS:
            return refusal(400, "RequestBroker--ParseUri", "Invalid option.")
        stored = [one for one in mailbox.messages if one.folder == "inbox"]
        if request.query.get("$orderby") != "receivedDateTime":
            stored.reverse()
        page: dict[str, object] = {
            "@odata.context": f"{self.graph_uri}/$metadata#users('{quote(mailbox.address)}')/messages",
            "value": [self._row(request, mailbox, one) for one in stored[skip : skip + top]],
        }
        if len(stored) > skip + top:
            options = {**request.query, "$skip": str(skip + top)}
            path = "/".join(quote(one, safe="@") for one in request.path)
            page["@odata.nextLink"] = f"{self.graph_uri}/{path}?{urlencode(options)}"
        return resource(page, "messageCollection")

    def _row(self, request: Request, mailbox: Mailbox, stored: Stored) -> dict[str, object]:
        """The message's properties that were asked for; id and etag come always."""
        received = BEGINNING + timedelta(seconds=stored.number)
        head = BytesHeaderParser().parsebytes(stored.mime)
        every: dict[str, object] = {
            "receivedDateTime": received.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "internetMessageId": head.get("Message-ID"),
            "subject": str(head.get("Subject", "")),
            "hasAttachments": False,
            "isRead": False,
        }
        wanted = request.query["$select"].split(",") if "$select" in request.query else list(every)
        chosen = {name: value for name, value in every.items() if name in wanted}
        name = mailbox.id_of(stored, immutable=request.immutable)
        return {"@odata.etag": f'W/"{stored.number}"', "id": name, **chosen}

    def _in_inbox(self, request: Request, name: str) -> Answer:
        mailbox = self._mailbox(request, "Mail.Read", "Mail.ReadWrite")
        if isinstance(mailbox, Answer):
            return mailbox
        found = mailbox.find(name, immutable=request.immutable)
        if found is None or found.folder != "inbox":
            return _no_such_item()
        return resource(self._row(request, mailbox, found), "message")

    def _mime(self, request: Request, name: str) -> Answer:
        mailbox = self._mailbox(request, "Mail.Read", "Mail.ReadWrite")
        if isinstance(mailbox, Answer):
            return mailbox
        found = mailbox.find(name, immutable=request.immutable)
        return _no_such_item() if found is None else Answer(body=found.mime, kind="text/plain")

    def _purge(self, request: Request, name: str) -> Answer:
        mailbox = self._mailbox(request, "Mail.ReadWrite")
        if isinstance(mailbox, Answer):
            return mailbox
        if mailbox.national:
            return refusal(400, "BadRequest", "Resource not found for the segment 'permanentDelete'.")
        if request.body:
            self.violations.append("permanentDelete takes no body")
        return self._move(request, mailbox, name, "purges")

    def _delete(self, request: Request, name: str) -> Answer:
        mailbox = self._mailbox(request, "Mail.ReadWrite")
        if isinstance(mailbox, Answer):
            return mailbox
        found = mailbox.find(name, immutable=request.immutable)
        return self._move(
            request, mailbox, name, "deleteditems" if found and found.folder == "inbox" else "recoverable"
        )

    def _move(self, request: Request, mailbox: Mailbox, name: str, folder: Folder) -> Answer:
        found = mailbox.find(name, immutable=request.immutable)
        if found is None:
            return _no_such_item()
        if found.folder in {"recoverable", "purges"}:
            return refusal(403, "ErrorCannotDeleteObject", "Object cannot be deleted.")
        found.folder = folder
        return Answer(204)


_ORDERS = {"receivedDateTime", "receivedDateTime desc"}


def _no_such_item() -> Answer:
    return refusal(404, "ErrorItemNotFound", "The specified object was not found in the store.")
