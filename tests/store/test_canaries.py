from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crmservice.crm.directory import Wanted
from crmservice.crm.records import CanaryReturned
from crmservice.pipeline.gateway import Outcome, Waiting
from crmservice.store import canaries
from crmservice.store.gateway import StoreGateway
from crmservice.store.models import Canary, User
from crmservice.testing.builders import box
from crmservice.testing.gateway_contract import decision

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def known(address: str = "novak@firma.cz") -> canaries.Flown:
    (one,) = canaries.flown([address])
    return one


def test_a_canary_comes_back_in_the_transaction_of_its_verdict(home: Path, row: Callable[[], Waiting]) -> None:
    canaries.add("novak@firma.cz", "crm", "t1", NOON)
    waiting = row()
    gateway = StoreGateway()
    gateway.directory_for(Wanted(), [waiting.id])
    gateway.apply([Outcome(waiting, box(), decision(1, CanaryReturned("t1")))])
    assert Canary.objects.get().returned == waiting.arrived


def test_the_first_return_counts(home: Path) -> None:
    canaries.add("novak@firma.cz", "crm", "t1", NOON)
    canaries.returned([(NOON + HOUR, "t1"), (NOON + DAY, "t1"), (NOON, "unknown")])
    assert known().returned == NOON + HOUR


def test_an_address_waits_since_the_first_canary_that_nothing_answered(home: Path) -> None:
    for day in range(4):
        canaries.add("novak@firma.cz", "crm", f"t{day}", NOON + day * DAY)
    canaries.returned([(NOON + HOUR, "t0")])
    one = known()
    assert (one.sent, one.returned, one.waits_since) == (NOON + 3 * DAY, NOON + HOUR, NOON + DAY)


def test_a_lost_canary_is_answered_for_by_a_later_one(home: Path) -> None:
    for day in range(2):
        canaries.add("novak@firma.cz", "crm", f"t{day}", NOON + day * DAY)
    canaries.returned([(NOON + DAY + HOUR, "t1")])
    assert known().waits_since is None


def test_an_address_that_never_got_one_is_not_known(home: Path) -> None:
    assert canaries.flown(["nikdo@firma.cz"]) == []


def test_active_users_with_an_address_get_canaries(home: Path) -> None:
    for login, email, active in (
        ("b", "b@firma.cz", True),
        ("a", "a@firma.cz", True),
        ("c", "", True),
        ("d", "d@x", False),
    ):
        User.objects.create(login=login, email=email, active=active)
    assert canaries.active_addresses() == ["a@firma.cz", "b@firma.cz"]


def test_canaries_of_long_ago_are_forgotten(home: Path) -> None:
    canaries.add("novak@firma.cz", "crm", "t1", NOON)
    canaries.tidy(NOON + canaries.KEPT + HOUR)
    assert canaries.flown(["novak@firma.cz"]) == []
