"""What the service keeps for itself: leases, states, notices, mail to send, the audit log."""

# mypy: disable-error-code="var-annotated"
from __future__ import annotations

from django.db import models

from crmservice.store.models.base import Keyed


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


class BoxState(models.Model):
    """How a box fares: last try and success of reading it, and the fault that lasts (``fault``: JSON template and facts).

    ``state``: ``ok``, ``failing``, ``paused``, ``bad-file``. ``failing_since`` and ``failures`` (in a row) while a fault lasts.
    """

    box = models.CharField(max_length=200, primary_key=True)
    state = models.CharField(max_length=20, blank=True)
    tried = models.DateTimeField(null=True)
    succeeded = models.DateTimeField(null=True)
    fault = models.TextField(blank=True)
    failing_since = models.DateTimeField(null=True)
    failures = models.IntegerField(default=0)

    class Meta:
        db_table = "crm_box_state"


class Metric(models.Model):
    """A counter that survives restarts: ``name`` as Prometheus spells it, ``labels`` JSON with sorted keys."""

    name = models.CharField(max_length=100)
    labels = models.CharField(max_length=500, blank=True)
    value = models.FloatField(default=0)

    class Meta:
        db_table = "crm_metric"
        constraints = [models.UniqueConstraint(fields=["name", "labels"], name="metric_once")]


class Job(models.Model):
    """Work that comes again (nightly verify, canary, expiry): when it began and ended last, and what came of it (JSON)."""

    name = models.CharField(max_length=60, primary_key=True)
    began = models.DateTimeField(null=True)
    ended = models.DateTimeField(null=True)
    ok = models.BooleanField(default=True)
    result = models.TextField(blank=True)

    class Meta:
        db_table = "crm_job"


class Notice(Keyed):
    """Something an administrator must know (SPEC chapter 10). ``kind`` is a code, ``facts`` JSON; sentences are made when sent.

    One row for each kind, box and matter (``about``) that waits: more of the same raises ``count`` and ``last``.
    ``since``: when the trouble began, which may have been told before (``told``: when, the last time).
    ``state``: ``waiting``, ``sent`` (in a mail of its own), ``digested`` (in a digest), ``over`` (no address to send it to).
    """

    kind = models.CharField(max_length=40)
    box = models.CharField(max_length=200, blank=True)
    about = models.CharField(max_length=500, blank=True)
    facts = models.TextField(blank=True)
    since = models.DateTimeField()
    told = models.DateTimeField(null=True)
    first = models.DateTimeField()
    last = models.DateTimeField()
    count = models.IntegerField(default=1)
    state = models.CharField(max_length=10, default="waiting")
    sent = models.DateTimeField(null=True)

    class Meta:
        db_table = "crm_notice"
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "box", "about"], condition=models.Q(state="waiting"), name="notice_waits_once"
            )
        ]
        indexes = [
            models.Index(fields=["state", "kind", "sent"], name="notice_sent"),
            models.Index(fields=["kind", "box", "about"], name="notice_matter"),
        ]


class Outgoing(Keyed):
    """A mail that we send: at least once, always with the same Message-ID (HOUSE.md, point 15).

    ``kind``: ``notice``, ``canary``, ``reply``; ``about``: a notice's kind, or ``digest``. ``box``: whose mail server sends it.
    ``state``: ``waiting``, ``sent``, ``failed`` (refused for good). ``fault``: why not yet, JSON of words.packed.
    """

    kind = models.CharField(max_length=20)
    about = models.CharField(max_length=40, blank=True)
    box = models.CharField(max_length=200)
    sender = models.CharField(max_length=320)
    recipient = models.CharField(max_length=320)
    message_id = models.CharField(max_length=200, unique=True)
    raw = models.BinaryField()
    made = models.DateTimeField()
    state = models.CharField(max_length=10, default="waiting")
    attempts = models.SmallIntegerField(default=0)
    due = models.DateTimeField()
    sent = models.DateTimeField(null=True)
    fault = models.TextField(blank=True)

    class Meta:
        db_table = "crm_outgoing"
        indexes = [
            models.Index(fields=["due"], condition=models.Q(state="waiting"), name="outgoing_due"),
            models.Index(fields=["kind", "recipient", "made"], name="outgoing_recent"),
        ]


class Canary(Keyed):
    """A marked mail that went to an employee's address, to see it come back by the forwarding (SPEC 13.6)."""

    address = models.CharField(max_length=320, db_index=True)
    box = models.CharField(max_length=200)
    token = models.CharField(max_length=64, unique=True)
    sent = models.DateTimeField()
    returned = models.DateTimeField(null=True)

    class Meta:
        db_table = "crm_canary"


class Hold(Keyed):
    """A legal hold: nothing of this address or domain is erased (SPEC 13.9)."""

    address = models.CharField(max_length=320, unique=True)
    reason = models.CharField(max_length=1000, blank=True)
    by = models.CharField(max_length=150, blank=True)
    since = models.DateTimeField()

    class Meta:
        db_table = "crm_hold"


class Erasure(Keyed):
    """An erasure that was done: whose, as an HMAC alone, so that a restored backup can be erased again (TRUST.md B33)."""

    digest = models.CharField(max_length=64, unique=True)
    by = models.CharField(max_length=150, blank=True)
    made = models.DateTimeField()
    counts = models.TextField(blank=True)

    class Meta:
        db_table = "crm_erasure"


class Audit(models.Model):
    """The audit log (TRUST.md D.9): each row's ``mac`` covers the row and the ``mac`` before it. Rows are only added.

    ``who``: a login, ``command line``, ``service``. ``action`` is a code, ``object`` what it was done to, ``facts`` JSON without
    bodies or secrets.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    who = models.CharField(max_length=150)
    source = models.CharField(max_length=40, blank=True)
    action = models.CharField(max_length=60)
    object = models.CharField(max_length=300, blank=True)
    facts = models.TextField(blank=True)
    mac = models.CharField(max_length=64)

    class Meta:
        db_table = "crm_audit"
