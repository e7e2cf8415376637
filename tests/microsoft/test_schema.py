"""The stand-in's description of Graph is Microsoft's, and a wrong answer is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crmservice.testing.graph.schema import SLICE, violations

SHARED = Path(__file__).resolve().parents[3] / "shared" / "graph" / "graph-slice.schema.json"


@pytest.mark.skipif(not SHARED.is_file(), reason="Microsoft's whole description is not beside this repository")
def test_the_slice_is_cut_from_the_whole_and_not_changed() -> None:
    whole = json.loads(SHARED.read_text())["$defs"]
    ours = json.loads(SLICE.read_text())["$defs"]
    assert {name: whole.get(name) for name in ours} == ours


@pytest.mark.parametrize(
    ("name", "found", "right"),
    [
        ("message", {"id": "A", "receivedDateTime": "2026-11-25T12:00:00Z"}, True),
        ("message", {"id": "A", "received": "2026-11-25T12:00:00Z"}, False),
        ("message", {"id": "A", "receivedDateTime": "yesterday"}, False),
        ("messageCollection", {"value": [{"id": "A"}], "@odata.nextLink": "x"}, True),
        ("messageCollection", {"value": [{"id": "A"}], "@odata.nextLink": "x", "@odata.deltaLink": "y"}, False),
        ("odataError", {"error": {"code": "x", "message": "y"}}, True),
        ("odataError", {"error": "x"}, False),
    ],
)
def test_a_wrong_resource_is_noticed(name: str, found: object, right: bool) -> None:
    assert (violations(name, found) == []) == right
