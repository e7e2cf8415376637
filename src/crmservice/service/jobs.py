"""The keeper's list: every job, and what stands beside them. Each is one file (``service.scheduled`` says what a job is)."""

from __future__ import annotations

from crmservice.service import canaries, expiry, mailing, nightly, rhythm
from crmservice.service.metrics_endpoint import metrics_endpoint
from crmservice.service.scheduled import Beside, Scheduled

JOBS: tuple[Scheduled, ...] = (
    mailing.SEND,
    canaries.WATCH,
    expiry.WATCH,
    rhythm.WATCH,
    nightly.VERIFY,
    nightly.RETAIN,
    nightly.BACK_UP,
)
"""Every job of the service."""

BESIDE: tuple[Beside, ...] = (metrics_endpoint,)
"""What runs beside the jobs."""
