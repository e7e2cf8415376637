"""Counters that survive restarts and that several processes add to (table crm_metric)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from crmservice.store import bulk
from crmservice.store.database import reading, writing
from crmservice.store.models import Metric

Labels = tuple[tuple[str, str], ...]
"""Names and values, sorted by name."""

_ADD = "(name, labels) DO UPDATE SET value = crm_metric.value + excluded.value"


def add(values: Mapping[tuple[str, Labels], float]) -> None:
    """Add to counters, in one transaction. Raises DatabaseUnavailable."""
    if not values:
        return
    rows = [(name, json.dumps(dict(labels)), value) for (name, labels), value in sorted(values.items())]
    with writing():
        bulk.insert(Metric, "name", "labels", "value", conflict=_ADD).run(rows)


def read() -> dict[tuple[str, Labels], float]:
    """All counters. Raises DatabaseUnavailable."""
    with reading():
        rows = bulk.query("SELECT name, labels, value FROM crm_metric ORDER BY name, labels")
    return {(name, tuple(sorted(json.loads(labels).items()))): float(value) for name, labels, value in rows}
