"""Little room on the disk of the home is told before there is none (SPEC chapter 10)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from crmservice.notices import note
from crmservice.service.scheduled import Context, Scheduled, every
from crmservice.service.troubles import LOW_DISK_BYTES, disk_of

QUARTER = timedelta(minutes=15)


def watch(context: Context) -> Mapping[str, object]:
    """Look at the disk."""
    free = disk_of(context.home).free // (1024 * 1024)
    if free < LOW_DISK_BYTES // (1024 * 1024):
        note("disk-full", about="low", path=context.home, free=f"{free} MiB")
    return {"free": free}


WATCH = Scheduled("room", every(QUARTER), watch, noted=False, alone=False)
