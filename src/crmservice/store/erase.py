"""Erasing in the tables: the rows of messages stay without personal data, so that the ledger adds up (HOUSE.md, point 14).

Everything here runs inside a transaction of the caller's and answers what it removed or changed, by table.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import models as fields
from django.db import transaction
from django.db.models import F, Q, Value

from crmservice.crm.ids import first_id_at, new_id
from crmservice.mail.mentions import in_text, mentions
from crmservice.mail.redaction import marked
from crmservice.pipeline.rule import Verdict
from crmservice.store import bulk, database, erasures, models, texts
from crmservice.store.database import DatabaseUnavailable, writing
from crmservice.store.trails import log_json

ERASED = ("ERASED", "DELETED")
"""Log words of a message that waited for its verdict when it was erased."""

NEVER_FILED = ("NEVER FILED", "DELETED")

_UNTOUCHED = (models.Audit, models.Erasure, models.Hold)
"""Rows that name nobody, may not change, or stop an erasure before it comes here."""

Wanted = Callable[[str], bool]


def messages(ids: Collection[int], now: datetime) -> Counter[str]:
    """Messages go whole: what was made of them is removed, their rows keep when, where, how large and what became of them."""
    gone = _made_of(ids)
    waiting = [Verdict.SKIPPED.value, log_json(ERASED)]
    sql = (
        "UPDATE crm_message SET erased = %s, path = '', stored_sha256 = '', trail = '', sender = '', sender_verified = %s,"
        " subject = '', direction = '', sent = NULL, key = NULL, body_digest = NULL, message_id_digest = NULL,"
        " source_id = CASE WHEN gone THEN '' ELSE source_id END,"
        " log = CASE WHEN verdict = '' THEN %s ELSE log END, verdict = CASE WHEN verdict = '' THEN %s ELSE verdict END"
        " WHERE id IN {in}"
    )
    bulk.execute_in(sql, ids, before=[now, False, *reversed(waiting)])
    gone["message"] += len(ids)
    return gone


def reduced(stored: Mapping[int, str]) -> Counter[str]:
    """Messages keep their headers alone, as mail that is never filed: message -> checksum of what is kept of it."""
    gone = _made_of(stored)
    sql = "UPDATE crm_message SET stored_sha256 = %s, verdict = %s, log = %s, trail = '' WHERE id = %s"
    log = log_json(NEVER_FILED)
    for key, checksum in stored.items():
        gone["message"] += bulk.execute(sql, [checksum, Verdict.SKIPPED.value, log, key])
    return gone


def stored_as(stored: Mapping[int, str]) -> None:
    """The backups of these messages are no longer as they arrived: message -> checksum."""
    for key, checksum in stored.items():
        bulk.execute("UPDATE crm_message SET stored_sha256 = %s WHERE id = %s", [checksum, key])


def without_backup(ids: Collection[int]) -> None:
    """These messages have no backup any more; all else of them stays."""
    bulk.execute_in("UPDATE crm_message SET path = '', stored_sha256 = '' WHERE id IN {in}", ids)


def _made_of(ids: Collection[int]) -> Counter[str]:
    gone: Counter[str] = Counter()
    for chunk in bulk.chunks(ids):
        activities = models.Activity.objects.filter(message__in=chunk)
        threads = set(activities.filter(thread__isnull=False).values_list("thread", flat=True))
        _delete(gone, activities)
        for model in (models.Suggestion, models.Attachment, models.Invitation):
            _delete(gone, model._default_manager.filter(message__in=chunk))
        # What was taken back stands whole in an effect, and nothing of such a message can be undone any more.
        models.Effect.objects.filter(message__in=chunk).delete()
        _threads(gone, threads)
    return gone


def _threads(gone: Counter[str], threads: Collection[int]) -> None:
    """Threads of which no activity is left."""
    left = set(models.Activity.objects.filter(thread__in=threads).values_list("thread", flat=True))
    over = set(threads) - left
    for model in (models.ThreadMessage, models.ThreadPerson, models.ThreadFiling):
        model._default_manager.filter(thread__in=over).delete()
    gone["thread"] += len(over)


def _delete(gone: Counter[str], rows: Any) -> None:
    """Delete rows and what hangs on them; counted by the names of the tables."""
    _total, by_table = rows.delete()
    for label, count in by_table.items():
        gone[label.rpartition(".")[2].lower()] += count


@dataclass
class People:
    """Everything else that the tables know of people. ``wanted`` says whose, ``spared`` are messages that stay as they are.

    ``before``: records made later than this are about something else (a restored store is erased as of then).
    """

    addresses: frozenset[str]
    wanted: Wanted
    spared: frozenset[int] = frozenset()
    before: datetime | None = None
    gone: Counter[str] = field(default_factory=Counter)

    def forget(self) -> Counter[str]:
        """Remove and black out, and keep that nobody writes to them; call it after their messages went."""
        self._contacts()
        _delete(self.gone, models.AccountAddress.objects.filter(address__in=self.addresses))
        _delete(self.gone, models.SentAddress.objects.filter(address__in=self.addresses))
        self._threads()
        self._delete_unspared(models.Suggestion.objects.filter(target__in=self.addresses))
        self._invitations()
        self._outgoing()
        self._suppressed()
        for model in _ours():
            self._black_out(model)
        return self.gone

    def _threads(self) -> None:
        kept: set[int] = set()
        for chunk in bulk.chunks(self.spared):
            kept.update(models.Activity.objects.filter(message__in=chunk).values_list("thread", flat=True))
        for person in models.ThreadPerson.objects.filter(address__in=self.addresses):
            if person.thread not in kept:
                _delete(self.gone, models.ThreadPerson.objects.filter(pk=person.pk))

    def _delete_unspared(self, rows: Any) -> None:
        for chunk in bulk.chunks(
            key for key, message in rows.values_list("pk", "message") if message not in self.spared
        ):
            _delete(self.gone, rows.model._default_manager.filter(pk__in=chunk))

    def _contacts(self) -> None:
        """The address goes; a contact that has no other goes too."""
        found = models.ContactAddress.objects.filter(address__in=self.addresses)
        if self.before is not None:
            found = found.filter(contact_id__lt=first_id_at(self.before))
        contacts = set(found.values_list("contact", flat=True))
        _delete(self.gone, found)
        _delete(self.gone, models.Contact.objects.filter(id__in=contacts, addresses__isnull=True))

    def _invitations(self) -> None:
        """An invitation of theirs goes; from another's they are taken off."""
        theirs = Q(organizer__in=self.addresses) | Q(maker__in=self.addresses)
        self._delete_unspared(models.Invitation.objects.filter(theirs))
        rows = models.Invitation.objects.exclude(attendees="").values_list("pk", "attendees", "message")
        for key, attendees, message in rows:
            there = json.loads(attendees)
            kept = [one for one in there if not self.wanted(one["email"])]
            if len(kept) < len(there) and message not in self.spared:
                text = texts.compact(kept) if kept else ""
                models.Invitation.objects.filter(pk=key).update(attendees=text)
                self.gone["attendee"] += len(there) - len(kept)

    def _outgoing(self) -> None:
        """Mail of ours to them, or that names them, is not sent."""
        rows = models.Outgoing.objects.values_list("id", "recipient", "raw")
        theirs = [key for key, to, raw in rows if to in self.addresses or any(map(self.wanted, _named(bytes(raw))))]
        _delete(self.gone, models.Outgoing.objects.filter(id__in=theirs))

    def _suppressed(self) -> None:
        """Forbidden e-mails stay as pseudonyms, and each of them is one now: a list loaded anew must not write to them."""
        for address in self.addresses:
            instead = erasures.pseudonym(address)
            marks = set(models.ForbiddenEmail.objects.filter(email=address).values_list("type", flat=True))
            models.ForbiddenEmail.objects.filter(email=address).delete()
            there = set(models.ForbiddenEmail.objects.filter(email=instead).values_list("type", flat=True))
            rows = [(new_id(), instead, mark, False) for mark in sorted({*marks, "do_not_send"} - there)]
            bulk.insert(models.ForbiddenEmail, "id", "email", "type", "unverified").run(rows)

    def _black_out(self, model: type[fields.Model]) -> None:
        """Every text of a table, whatever it is for: what is added to the schema later is not forgotten."""
        for column in _texts(model):
            limit = column.max_length
            rows = model._default_manager.filter(_holds(column.name, self.addresses))
            found = list(rows.values_list("pk", column.name, _message_of(model)))
            fresh = ((key, text, marked(text, self.wanted)) for key, text, of in found if of not in self.spared)
            changes = [(new[:limit], key) for key, text, new in fresh if new != text]
            bulk.update(model, column.attname, key=_key(model)).run(changes)
            if changes:
                self.gone[f"{model._meta.model_name}.{column.name}"] += len(changes)


def _message_of(model: type[fields.Model]) -> Any:
    """The message that a row is or belongs to; None where its table knows none."""
    if model is models.Message:
        return F("pk")
    names = {one.name for one in model._meta.local_concrete_fields}
    return F("message_id") if "message" in names else Value(None, output_field=fields.BigIntegerField(null=True))


def _key(model: type[fields.Model]) -> str:
    key = model._meta.pk
    assert key is not None
    return key.attname


def _texts(model: type[fields.Model], *, keys: bool = False) -> Iterator[fields.Field[Any, Any]]:
    for column in model._meta.local_concrete_fields:
        if isinstance(column, fields.CharField | fields.TextField) and (keys or not column.primary_key):
            yield column


def _holds(column: str, addresses: Iterable[str]) -> Q:
    """Rows whose text may hold one of these, in any of its spellings; which do is decided in Python."""
    found = Q(pk__in=[])
    for address in addresses:
        local, _, domain = address.rpartition("@")
        for at in ("@", "%40", "&#64;", "&#x40;"):
            found |= Q(**{f"{column}__icontains": f"{local}{at}{domain}"})
    return found


def _named(raw: bytes) -> frozenset[str]:
    return mentions(raw).everybody


@contextmanager
def taken_back() -> Iterator[None]:
    """A transaction that counts and then leaves everything as it was."""
    with writing(serialised=True):
        yield
        transaction.set_rollback(True)


def remember(digest: str, by: str, when: datetime, counts: Mapping[str, Any]) -> None:
    """Note whose erasure was carried out, by the HMAC of the address; again for one that was erased before."""
    row = [new_id(), digest, by, when, texts.compact(counts)]
    conflict = '(digest) DO UPDATE SET "by" = excluded."by", made = excluded.made, counts = excluded.counts'
    bulk.insert(models.Erasure, "id", "digest", "by", "made", "counts", conflict=conflict).run([row])


def known_addresses() -> Iterator[str]:
    """Every address in the tables, wherever it stands: whose HMAC may be on a list of erasures."""
    for model in _ours():
        for column in _texts(model, keys=True):
            rows = model._default_manager.filter(**{f"{column.name}__contains": "@"})
            for (text,) in rows.values_list(column.name).distinct().iterator():
                yield from in_text(text)


def _ours() -> list[type[fields.Model]]:
    return [model for model in apps.get_app_config("store").get_models() if not issubclass(model, _UNTOUCHED)]


def compacted() -> bool:
    """Whether ``compact`` could be done; a busy database may not let us."""
    try:
        compact()
    except DatabaseUnavailable:
        return False
    return True


def compact() -> None:
    """Leave nothing of what was removed in the database's files: SQLite is written anew, PostgreSQL's tables are vacuumed.

    What the server's write-ahead log and backups hold is theirs. Raises DatabaseUnavailable.
    """
    with database.available():
        bulk.execute("VACUUM")
        if database.is_postgresql():
            return
        (busy, *_pages), *_ = bulk.query("PRAGMA wal_checkpoint(TRUNCATE)")
    if busy:
        raise DatabaseUnavailable("the database is read by others: its log could not be emptied")
