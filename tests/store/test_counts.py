"""Counters and counts: what several processes add up, and what an empty store says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from crmservice.service.durations import BUCKETS, Durations
from crmservice.store import metrics
from crmservice.store.counts import counts
from crmservice.store.metrics import Labels


def _bucket(values: Mapping[tuple[str, Labels], float], bound: float) -> float:
    labels = (("box", "crm"), ("le", str(bound)), ("stage", "capture"))
    return values.get(("crmservice_stage_seconds_bucket", labels), 0.0)


def test_durations_of_several_processes_add_up(home: Path) -> None:
    for seconds in (0.02, 0.2, 1000.0):
        one = Durations("crm")
        one.observe("capture", seconds)
        one.write(at_once=True)
        one.write(at_once=True)
    values = metrics.read()
    labels = (("box", "crm"), ("stage", "capture"))
    assert values["crmservice_stage_seconds_count", labels] == 3
    assert values["crmservice_stage_seconds_sum", labels] == pytest.approx(1000.22)
    assert [_bucket(values, bound) for bound in BUCKETS] == [0, 1, 1, 2, 2, 2, 2, 2, 3]


def test_an_empty_store_counts_nothing(home: Path) -> None:
    found = counts(date(2026, 11, 25))
    assert (found.boxes, found.outgoing, found.notices, found.jobs) == ({}, {}, {}, ())


def test_nothing_counted_writes_nothing(home: Path) -> None:
    metrics.add({})
    assert metrics.read() == {}
