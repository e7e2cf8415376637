"""The keeper's list: every job, and what stands beside them. Each is one file (``service.scheduled`` says what a job is)."""

from __future__ import annotations

from crmservice.service import alarm, canaries, expiry, mailing, nightly, rhythm, room
from crmservice.service.metrics_endpoint import metrics_endpoint
from crmservice.service.scheduled import Beside, Scheduled

JOBS: tuple[Scheduled, ...] = (
    mailing.SEND,
    alarm.WATCH,
    room.WATCH,
    canaries.WATCH,
    expiry.WATCH,
    rhythm.WATCH,
    nightly.VERIFY,
    nightly.MAILBOXES,
    nightly.RETAIN,
    nightly.BACK_UP,
)
"""Every job of the service."""

BESIDE: tuple[Beside, ...] = (metrics_endpoint,)
"""What runs beside the jobs."""
