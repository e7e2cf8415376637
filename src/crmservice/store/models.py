"""The tables. Imported by nobody outside ``store``: rows are reached by saying who is looking.

Keys are made in Python (``crm.ids``); ``ref`` is the id that a loaded file gave a record. Digests are 16
bytes (``mail.message.digest``). Times are UTC.
"""

# mypy: disable-error-code="var-annotated"
from __future__ import annotations

from django.db import models

from crmservice.crm.ids import new_id


class Keyed(models.Model):
    """A row with a key of ours."""

    id = models.BigIntegerField(primary_key=True, default=new_id, editable=False)

    class Meta:
        abstract = True


class Loaded(Keyed):
    """A record that ``load`` may have brought, known again by the id of its file."""

    ref = models.CharField(max_length=200, null=True, unique=True)

    class Meta:
        abstract = True


class Role(Loaded):
    """User roles form a tree; the root's level is 1 (the manual's immersion level)."""

    name = models.CharField(max_length=200, unique=True)
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")
    level = models.SmallIntegerField(default=1, db_index=True)

    class Meta:
        db_table = "crm_role"


class User(Loaded):
    """A row of the user table (the manual's ``susers``). ``password`` and ``last_login`` serve sign-in."""

    login = models.CharField(max_length=150, unique=True)
    name = models.CharField(max_length=200, blank=True)
    email = models.CharField(max_length=320, blank=True)
    role = models.ForeignKey(Role, models.PROTECT, null=True)
    active = models.BooleanField(default=True)
    admin = models.BooleanField(default=False)
    password = models.CharField(max_length=128, blank=True)
    last_login = models.DateTimeField(null=True)

    class Meta:
        db_table = "crm_user"


class UserAddress(models.Model):
    """The addresses a user has: the e-mail and the aliases, in lower case."""

    address = models.CharField(max_length=320, primary_key=True)
    user = models.ForeignKey(User, models.CASCADE, related_name="addresses")

    class Meta:
        db_table = "crm_user_address"


class SharedAddress(Loaded):
    """An address many answer for: one user, or a role whose active members take turns."""

    address = models.CharField(max_length=320, unique=True)
    responsible = models.ForeignKey(User, models.CASCADE, null=True, related_name="+")
    role = models.ForeignKey(Role, models.CASCADE, null=True, related_name="+")
    last_user = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    class Meta:
        db_table = "crm_shared_address"


class ActivityType(Loaded):
    """A type of activities; ``folded`` is the name as markers compare it."""

    name = models.CharField(max_length=200, unique=True)
    folded = models.CharField(max_length=200, db_index=True)

    class Meta:
        db_table = "crm_activity_type"


class Reachable(Loaded):
    """Whoever can be written to: permissions off after an opt-out, broken after a bounce (manual 13)."""

    name = models.CharField(max_length=200)
    sort_key = models.CharField(max_length=400, blank=True, db_index=True)
    allow_emails = models.BooleanField(default=True)
    allow_bulk_emails = models.BooleanField(default=True)
    email_broken = models.BooleanField(default=False)

    class Meta:
        abstract = True


class Account(Reachable):
    """A customer company (the manual's business relationship)."""

    class Meta:
        db_table = "crm_account"


class Contact(Reachable):
    """A person in the address book, usually of an account."""

    account = models.ForeignKey(Account, models.SET_NULL, null=True, related_name="contacts")

    class Meta:
        db_table = "crm_contact"


class AccountAddress(models.Model):
    """An account's addresses, in lower case; several accounts may share one."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="addresses")
    address = models.CharField(max_length=320, db_index=True)
    domain = models.CharField(max_length=255, db_index=True)

    class Meta:
        db_table = "crm_account_address"
        constraints = [models.UniqueConstraint(fields=["account", "address"], name="account_address_once")]


class ContactAddress(models.Model):
    """A contact's addresses, in lower case; several contacts may share one."""

    contact = models.ForeignKey(Contact, models.CASCADE, related_name="addresses")
    address = models.CharField(max_length=320, db_index=True)
    domain = models.CharField(max_length=255, db_index=True)

    class Meta:
        db_table = "crm_contact_address"
        constraints = [models.UniqueConstraint(fields=["contact", "address"], name="contact_address_once")]


class Numbered(Loaded):
    """A record known by its number; ``folded`` is the number as markers compare it."""

    number = models.CharField(max_length=100, unique=True)
    folded = models.CharField(max_length=100, db_index=True)

    class Meta:
        abstract = True


class Contract(Numbered):
    """What we do for a customer; projects too."""

    name = models.CharField(max_length=300, blank=True)
    account = models.ForeignKey(Account, models.SET_NULL, null=True)

    class Meta:
        db_table = "crm_contract"


class ContractMember(models.Model):
    """The contract's team."""

    contract = models.ForeignKey(Contract, models.CASCADE, related_name="team")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")

    class Meta:
        db_table = "crm_contract_member"
        constraints = [models.UniqueConstraint(fields=["contract", "user"], name="contract_member_once")]


class Order(Numbered):
    """A customer's order."""

    name = models.CharField(max_length=300, blank=True)
    account = models.ForeignKey(Account, models.SET_NULL, null=True)

    class Meta:
        db_table = "crm_order"


class Task(Numbered):
    """A task. ``value`` is the number as a whole number where it is one: the next is the largest plus one."""

    value = models.BigIntegerField(null=True, db_index=True)
    subject = models.CharField(max_length=1000, blank=True)
    body = models.TextField(blank=True)
    status = models.CharField(max_length=200, default="new")
    approver = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    contract = models.ForeignKey(Contract, models.SET_NULL, null=True)
    problem_id = models.CharField(max_length=100, null=True, unique=True)

    class Meta:
        db_table = "crm_task"


class TaskSolver(models.Model):
    """Who solves a task."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="solvers")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")

    class Meta:
        db_table = "crm_task_solver"
        constraints = [models.UniqueConstraint(fields=["task", "user"], name="task_solver_once")]


class ForbiddenEmail(Keyed):
    """An address that campaigns must leave out (manual 13)."""

    email = models.CharField(max_length=320)
    type = models.CharField(max_length=20)
    unverified = models.BooleanField(default=False)

    class Meta:
        db_table = "crm_forbidden_email"
        constraints = [models.UniqueConstraint(fields=["email", "type"], name="forbidden_email_once")]


class Message(Keyed):
    """The inbox: a row for every message that ever arrived (SPEC chapters 3 and 13.1).

    ``source_id``: UIDL, UIDVALIDITY and UID, or file name; ``gone``: its deletion at the source is confirmed.
    ``day``: local day of the arrival; ``path``: the backup below the home, empty for an oversized mail;
    ``stored_sha256``: the backup's checksum where it keeps the headers alone (neverFile).
    ``verdict`` empty while it waits. ``first`` is the message that this one repeats.
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


class Effect(models.Model):
    """What a message changed, written in the same transaction (HOUSE.md, point 3). ``before``, ``after``: JSON."""

    message = models.ForeignKey(Message, models.CASCADE, db_index=False)
    n = models.SmallIntegerField()
    table = models.CharField(max_length=40)
    row = models.CharField(max_length=200)
    before = models.TextField(blank=True)
    after = models.TextField(blank=True)

    class Meta:
        db_table = "crm_effect"
        constraints = [models.UniqueConstraint(fields=["message", "n"], name="effect_once")]


class Lease(models.Model):
    """Who works on a box. ``epoch`` fences a holder that lost it (HOUSE.md, point 10)."""

    box = models.CharField(max_length=200, primary_key=True)
    epoch = models.BigIntegerField(default=0)
    holder = models.CharField(max_length=300, blank=True)
    until = models.DateTimeField(null=True)

    class Meta:
        db_table = "crm_lease"


class Counter(models.Model):
    """A number that rises with each change of something, for caches: ``reference`` counts reference data."""

    name = models.CharField(max_length=40, primary_key=True)
    value = models.BigIntegerField(default=0)

    class Meta:
        db_table = "crm_counter"
