"""Messages, the activities they became, threads, invitations, and what each message changed."""

# mypy: disable-error-code="var-annotated"
from __future__ import annotations

from django.db import models

from crmservice.store.models.base import Keyed, Loaded
from crmservice.store.models.people import Account, ActivityType, Contact, User
from crmservice.store.models.work import Contract, Order, Task


class Message(Keyed):
    """The inbox: a row for every message that ever arrived (SPEC chapters 3 and 13.1).

    ``source_id``: UIDL, UIDVALIDITY and UID, or file name; ``gone``: its deletion at the source is confirmed.
    ``day``: local day of the arrival; ``path``: the backup below the home, empty for an oversized mail;
    ``stored_sha256``: the backup's checksum where it keeps the headers alone (neverFile).
    ``verdict`` empty while it waits. ``first`` is the message that this one repeats. ``erased``: since when the row
    holds no personal data and has no backup (HOUSE.md, point 14): it stays, so that the ledger adds up.
    """

    box = models.CharField(max_length=200)
    source = models.CharField(max_length=20)
    source_id = models.CharField(max_length=500)
    gone = models.BooleanField(default=False)
    sha256 = models.CharField(max_length=64, db_index=True)
    size = models.BigIntegerField()
    path = models.CharField(max_length=300, blank=True)
    stored_sha256 = models.CharField(max_length=64, blank=True)
    arrived = models.DateTimeField()
    day = models.DateField()
    attempts = models.SmallIntegerField(default=0)
    verdict = models.CharField(max_length=20, blank=True)
    log = models.TextField(blank=True)
    trail = models.TextField(blank=True)
    direction = models.CharField(max_length=10, blank=True)
    sender = models.CharField(max_length=320, blank=True)
    sender_verified = models.BooleanField(default=False)
    subject = models.CharField(max_length=1000, blank=True)
    sent = models.DateTimeField(null=True)
    key = models.BinaryField(max_length=16, null=True)
    body_digest = models.BinaryField(max_length=16, null=True)
    message_id_digest = models.BinaryField(max_length=16, null=True)
    first = models.ForeignKey("self", models.SET_NULL, null=True, related_name="repeats", db_index=False)
    erased = models.DateTimeField(null=True)

    class Meta:
        db_table = "crm_message"
        indexes = [
            models.Index(fields=["box", "day", "verdict"], name="message_ledger"),
            models.Index(fields=["key"], name="message_key"),
            models.Index(
                fields=["box", "source", "source_id"], condition=models.Q(gone=False), name="message_on_server"
            ),
            models.Index(fields=["box", "id"], condition=models.Q(verdict=""), name="message_waiting"),
            models.Index(fields=["first"], condition=models.Q(first__isnull=False), name="message_repeats"),
        ]


class Activity(Loaded):
    """The CRM's record of one contact with a customer (SPEC chapter 4, "An activity holds").

    ``scope_level`` None is the scope ``p-``. A mail's attachments are those of its message.
    """

    kind = models.CharField(max_length=10, default="mail")
    subject = models.CharField(max_length=1000, blank=True)
    body = models.TextField(blank=True)
    html = models.TextField(blank=True)
    direction = models.CharField(max_length=10, blank=True)
    type = models.ForeignKey(ActivityType, models.PROTECT, null=True, db_index=False)
    responsible = models.ForeignKey(User, models.PROTECT, null=True)
    contract = models.ForeignKey(Contract, models.SET_NULL, null=True)
    order = models.ForeignKey(Order, models.SET_NULL, null=True)
    task = models.ForeignKey(Task, models.SET_NULL, null=True)
    thread = models.BigIntegerField(null=True, db_index=True)
    scope_level = models.SmallIntegerField(null=True)
    sent = models.DateTimeField(null=True)
    due = models.DateTimeField(null=True)
    completed = models.DateTimeField(null=True)
    starts = models.DateTimeField(null=True)
    ends = models.DateTimeField(null=True)
    all_day = models.BooleanField(default=False)
    location = models.CharField(max_length=1000, blank=True)
    unverified = models.BooleanField(default=False)
    message = models.ForeignKey(Message, models.PROTECT, null=True)

    class Meta:
        db_table = "crm_activity"


class ActivityAccount(models.Model):
    """The accounts an activity is linked to."""

    activity = models.ForeignKey(Activity, models.CASCADE, related_name="accounts")
    account = models.ForeignKey(Account, models.CASCADE, related_name="+")

    class Meta:
        db_table = "crm_activity_account"


class ActivityContact(models.Model):
    """The contacts an activity is linked to."""

    activity = models.ForeignKey(Activity, models.CASCADE, related_name="contacts")
    contact = models.ForeignKey(Contact, models.CASCADE, related_name="+")

    class Meta:
        db_table = "crm_activity_contact"


class Attachment(models.Model):
    """An attachment of a message. Its bytes are kept once: in the message's backup, at place ``part``.

    ``part`` counts ``mail.message.Message.attachments``; -1 is the source itself (Original.eml).
    """

    message = models.ForeignKey(Message, models.CASCADE, related_name="attachments", db_index=False)
    part = models.SmallIntegerField()
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=255)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64, db_index=True)

    class Meta:
        db_table = "crm_attachment"
        constraints = [models.UniqueConstraint(fields=["message", "part"], name="attachment_once")]


class ThreadMessage(models.Model):
    """A Message-ID's digest and the thread it belongs to (HOUSE.md, point 9). ``sent``: we sent it (SPEC 13.5)."""

    digest = models.BinaryField(max_length=16, primary_key=True)
    thread = models.BigIntegerField(db_index=True)
    sent = models.BooleanField(default=False)

    class Meta:
        db_table = "crm_thread_message"


class ThreadPerson(models.Model):
    """Who took part in a thread (addresses in lower case)."""

    thread = models.BigIntegerField()
    address = models.CharField(max_length=320, db_index=True)

    class Meta:
        db_table = "crm_thread_person"
        constraints = [models.UniqueConstraint(fields=["thread", "address"], name="thread_person_once")]


class ThreadFiling(models.Model):
    """Where a thread is filed: by its newest activity that is filed at all, or by hand. None: nowhere."""

    thread = models.BigIntegerField(primary_key=True)
    contract = models.ForeignKey(Contract, models.SET_NULL, null=True)
    order = models.ForeignKey(Order, models.SET_NULL, null=True)
    task = models.ForeignKey(Task, models.SET_NULL, null=True)

    class Meta:
        db_table = "crm_thread_filing"


class SentAddress(models.Model):
    """An address that an outgoing mail of ours went to: a bounce of it may be believed (SPEC 13.5)."""

    address = models.CharField(max_length=320, primary_key=True)

    class Meta:
        db_table = "crm_sent_address"


class Invitation(Keyed):
    """One user's invitation to an event, or to one occurrence of a series (SPEC chapter 8).

    All-day events keep midnight UTC of their dates. ``attendees``: JSON list of {email, name, state}.
    """

    user = models.ForeignKey(User, models.CASCADE, db_index=False)
    uid = models.CharField(max_length=500)
    occurrence = models.CharField(max_length=40, blank=True)
    summary = models.CharField(max_length=1000, blank=True)
    description = models.TextField(blank=True)
    location = models.CharField(max_length=1000, blank=True)
    organizer = models.CharField(max_length=320, blank=True)
    starts = models.DateTimeField(null=True)
    ends = models.DateTimeField(null=True)
    all_day = models.BooleanField(default=False)
    zone = models.CharField(max_length=100, blank=True)
    rule = models.CharField(max_length=2000, blank=True)
    excluded = models.TextField(blank=True)
    attendees = models.TextField(blank=True)
    sequence = models.IntegerField(default=0)
    stamp = models.DateTimeField(null=True)
    status = models.CharField(max_length=20)
    maker = models.CharField(max_length=320, blank=True)
    confirmed = models.BooleanField(default=True)
    answerable = models.BooleanField(default=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    message = models.ForeignKey(Message, models.SET_NULL, null=True)

    class Meta:
        db_table = "crm_invitation"
        constraints = [models.UniqueConstraint(fields=["user", "uid", "occurrence"], name="invitation_once")]
        indexes = [models.Index(fields=["uid"], name="invitation_uid")]


class Suggestion(Keyed):
    """Something a person may accept with one click (HOUSE.md, point 8). ``payload`` is JSON."""

    message = models.ForeignKey(Message, models.CASCADE)
    kind = models.CharField(max_length=40)
    target = models.CharField(max_length=500, blank=True)
    payload = models.TextField(blank=True)
    state = models.CharField(max_length=10, default="open")

    class Meta:
        db_table = "crm_suggestion"


class Change(Keyed):
    """Something a person did to many messages at once, to be taken back as one: undo, replay, accept (SPEC 13.3, 13.8).

    ``by`` is a login, or empty for the command line. ``undoes``: the change that this one took back.
    """

    kind = models.CharField(max_length=20)
    by = models.CharField(max_length=150, blank=True)
    made = models.DateTimeField()
    note = models.CharField(max_length=1000, blank=True)
    undoes = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+", db_index=False)

    class Meta:
        db_table = "crm_change"


class Effect(models.Model):
    """What a message changed, written in the same transaction (HOUSE.md, point 3). ``before``, ``after``: JSON.

    A row that went has all its columns in ``before``. ``change``: a person's change that it belongs to; ``undone``: the
    change that took it back (it counts no more).
    """

    message = models.ForeignKey(Message, models.CASCADE, db_index=False)
    n = models.SmallIntegerField()
    table = models.CharField(max_length=40)
    row = models.CharField(max_length=200)
    before = models.TextField(blank=True)
    after = models.TextField(blank=True)
    change = models.ForeignKey(Change, models.SET_NULL, null=True, related_name="+")
    undone = models.ForeignKey(Change, models.SET_NULL, null=True, related_name="+", db_index=False)

    class Meta:
        db_table = "crm_effect"
        constraints = [models.UniqueConstraint(fields=["message", "n"], name="effect_once")]
