"""Who gets a canary, and what is told of those that do not come back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from crmservice.config import Box, Settings
from crmservice.config.values import Endpoint
from crmservice.notices.canary import Watched, routes, watched
from crmservice.service import canaries as job
from crmservice.service.log import ServiceLog
from crmservice.service.scheduled import Context
from crmservice.store import canaries, notices, outgoing
from crmservice.store.canaries import Flown

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SERVER = Endpoint("localhost", 25, "plain")


def box(name: str, *domains: str, smtp: Endpoint | None = SERVER) -> Box:
    return Box(name, f"{name}@{domains[0]}", our_domains=frozenset(domains), smtp=smtp)


def test_only_addresses_of_a_boxs_domains_get_a_canary_and_no_box_does() -> None:
    boxes = [box("crm", "firma.cz", "firma.sk"), box("druhy", "jina.cz"), box("bez", "tichy.cz", smtp=None)]
    addresses = ["a@firma.cz", "b@firma.sk", "c@jina.cz", "d@tichy.cz", "e@evil.example", "crm@firma.cz", "f@xfirma.cz"]
    found = {address: box.name for address, box in routes(addresses, boxes).items()}
    assert found == {"a@firma.cz": "crm", "b@firma.sk": "crm", "c@jina.cz": "druhy"}


def test_a_canary_is_on_its_way_for_two_hours_and_lost_after_that() -> None:
    flown = [
        Flown("a", "crm", NOON, NOON + HOUR, None),
        Flown("b", "crm", NOON, None, NOON),
        Flown("c", "crm", NOON, NOON - 9 * DAY, NOON - DAY),
    ]
    assert watched(["a", "b", "c", "d"], flown, NOON + HOUR) == [
        Watched("a", "back", NOON, NOON + HOUR),
        Watched("b", "on-its-way", NOON, None, NOON),
        Watched("c", "lost", NOON, NOON - 9 * DAY, NOON - DAY),
        Watched("d", "never-sent"),
    ]


class Keeper:
    """The keeper's job on a clock of its own. COMPANY has users of firma.cz."""

    def __init__(self, home: Path, days: int | None) -> None:
        settings = Settings(home, canary_days=days, zone=ZoneInfo("Europe/Prague"))
        log = ServiceLog(home, settings.zone, self.time)
        self.now = datetime.now(UTC)
        self.context = Context(settings, log, self.time, lambda: (box("crm", "firma.cz"),))

    def time(self) -> datetime:
        return self.now

    def run(self, **later: float) -> dict[str, object]:
        self.now += timedelta(**later)
        return dict(job.watch(self.context))


def test_without_canary_days_none_is_sent(home: Path) -> None:
    assert Keeper(home, None).run() == {"sent": 0, "lost": 0}
    assert outgoing.count("waiting") == 0


def test_a_round_goes_out_every_so_many_days(home: Path) -> None:
    keeper = Keeper(home, 7)
    first = keeper.run()["sent"]
    assert first == outgoing.count("waiting") > 0
    assert [keeper.run(days=6)["sent"], keeper.run(days=1)["sent"]] == [0, first]


def test_whose_canary_is_lost_is_told_once_a_round_after_a_day(home: Path) -> None:
    keeper = Keeper(home, 7)
    keeper.run()
    assert keeper.run(hours=23)["lost"] == 0
    assert notices.listed() == []
    for _ in range(3):
        keeper.run(hours=1, minutes=1)
    (one,) = notices.listed()
    assert "novak@firma.cz: no test mail ever came back; days since the first: 1" in str(one.facts["addresses"])
    assert one.count == 1


def test_a_round_that_came_back_is_nothing_to_tell(home: Path) -> None:
    keeper = Keeper(home, 7)
    keeper.run()
    from crmservice.store.models import Canary

    canaries.returned((keeper.now, token) for token in Canary.objects.values_list("token", flat=True))
    assert keeper.run(days=2) == {"sent": 0, "lost": 0}
    assert notices.listed() == []


def test_daily_rounds_tell_of_a_lost_canary_too(home: Path) -> None:
    keeper = Keeper(home, 1)
    for _ in range(50):
        keeper.run(hours=1, seconds=2)
    told = [one for one in notices.listed() if one.kind == "canary"]
    assert len(told) == 2
    assert all("novak@firma.cz" in str(one.facts["addresses"]) for one in told)
