"""The rhythm watch as the keeper's job: unusual silence of a box or a user is a notice, once (SPEC 13.13)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta

from crmservice.config import Box
from crmservice.notices import note
from crmservice.notices.rhythm import BOX, LOOK_BACK, USER, Silence, silence
from crmservice.service.scheduled import Context, Scheduled, every
from crmservice.words import Words

HOUR = timedelta(hours=1)
FROM_O_CLOCK = 18
"""From this hour on today counts as a day without mail."""


def watch(context: Context) -> Mapping[str, object]:
    """Note each silence that is unusual, of the boxes that are read without a fault."""
    from crmservice.store import box_state

    now, states = context.now(), {state.box: state for state in box_state.read_all()}
    found = 0
    for box in context.boxes:
        state = states.get(box.name)
        # Silence of a box that can't be read, or was not read yet since the service stood still, says nothing.
        if state is None or state.failing_since or not state.succeeded or abs(now - state.succeeded) > _fresh(box):
            continue
        for who, one in silences(box.name, last_day(now.astimezone(box.zone))):
            found += 1
            note("rhythm", box.name, f"{who} {one.last}", once=True, what=_words(who, one))
    return {"silences": found}


def _fresh(box: Box) -> timedelta:
    return max(HOUR, 3 * timedelta(seconds=box.poll_seconds))


def last_day(now: datetime) -> date:
    """The last day that is over, as far as mail goes. ``now``: on the box's clock."""
    return now.date() if now.hour >= FROM_O_CLOCK else now.date() - timedelta(days=1)


def silences(box: str, until: date) -> Iterator[tuple[str, Silence]]:
    """The box's unusual silence, under an empty name; or else those of its users."""
    from crmservice.store import rhythm

    since = until - LOOK_BACK
    if one := silence(rhythm.of_box(box, since), until, BOX):
        yield "", one
        return
    for address, days in sorted(rhythm.of_users(box, since).items()):
        if one := silence(days, until, USER):
            yield address, one


def _words(who: str, one: Silence) -> Words:
    facts = {"who": who, "day": one.last, "n": round(one.missing)}
    if who:
        return Words("{who}: no mail since {day}; about {n} mails were to be expected", **facts)
    return Words("the whole box: no mail since {day}; about {n} mails were to be expected", **facts)


WATCH = Scheduled("rhythm", every(HOUR), watch)
