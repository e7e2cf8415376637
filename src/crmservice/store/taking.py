"""Takes single effects back: only where what it left still stands, else who or what came later is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crmservice.store import attachments, joins, naming, noted, rows, verdicts
from crmservice.store.changes import Effects, State
from crmservice.store.joins import Join, Joins, Turned
from crmservice.store.kinds import KINDS
from crmservice.store.noted import Noted
from crmservice.store.threads import filings
from crmservice.words import Words

MARKS = ("contact", "account", "forbiddenemail")
"""Rows that several messages may want so: one's wish is over only when nobody else has it."""

_SHARED = ("task", "invitation", "sharedaddress", "threadfiling", "thread")
"""Other rows that effects of several messages may change."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was taken back: ``table`` is the effect's word for it, ``what`` says it to people.

    ``put_back``: it had been taken back before, and is there again.
    """

    table: str
    what: Words
    put_back: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """One thing that stays as it is. ``message`` or ``change``: whose it is by now, where that was noted."""

    table: str
    row: str
    what: Words
    why: Words
    message: int | None = None
    change: int | None = None


class _Stays(Exception):
    def __init__(self, why: Words, message: int | None = None, change: int | None = None) -> None:
        super().__init__(str(why))
        self.why, self.message, self.change = why, message, change


@dataclass(slots=True)
class Taking:
    """Takes effects back on behalf of a change. Know the effects before the first is taken (``expect``)."""

    effects: Effects
    joins: Joins = field(default_factory=Joins)
    _others: dict[tuple[str, str], list[Noted]] = field(default_factory=dict)
    _newest: int = 0

    @property
    def change(self) -> int:
        """The change that this is part of."""
        assert self.effects.change is not None
        return self.effects.change

    def expect(self, effects: Sequence[Noted]) -> None:
        """Look up what else was done to the rows of these effects: a few queries, however many they are."""
        marked = {effect.row for effect in effects if effect.table in MARKS}
        shared = {effect.row for effect in effects if effect.table in _SHARED}
        first = min((effect.id for effect in effects), default=0)
        mine = {effect.id: effect for effect in effects}
        self._newest = noted.newest()
        found = [*noted.on_rows(marked, MARKS), *noted.on_rows(shared, _SHARED, after=first)]
        for effect in found:
            self._others.setdefault(effect.place, []).append(mine.get(effect.id, effect))
        self.number(*{effect.message for effect in effects})

    def number(self, *messages: int) -> None:
        """Find out with which number the next effect of these messages begins."""
        self.effects.first.update(noted.next_numbers(messages))

    def take(self, effect: Noted) -> Part | Left:
        """Take one effect back, the latest first."""
        what, put_back = naming.name(effect), effect.took_back
        try:
            before, after = _HANDLERS.get(effect.table, Taking._row)(self, effect)
        except _Stays as stays:
            return Left(effect.table, effect.row, what, stays.why, stays.message, stays.change)
        self.note(effect.message, effect.table, effect.row, before, after, counts=put_back)
        noted.is_over(effect, self.change)
        return Part(effect.table, what, put_back)

    def note(self, message: int, table: str, row: str, before: Any, after: Any, *, counts: bool) -> None:
        """Write an effect of this change down at once: what is taken next must see it."""
        self.effects.add(message, table, row, before, after, counts=counts)
        self.effects.write()
        if counts and table in MARKS:
            self._see_wish((table, row))

    def _see_wish(self, place: tuple[str, str]) -> None:
        """A wish that was put back keeps the row from those that are taken next."""
        table, row = place
        found = noted.on_rows([row], [table], after=self._newest)
        self._others.setdefault(place, []).extend(found)
        self._newest = found[-1].id

    def list_nothing(self, message: int) -> None:
        """Drop the list of a message's attachments where no activity is left to show it."""
        if attachments.left_alone(message):
            self.note(message, "attachments", str(message), attachments.take_out(message), None, counts=False)

    def _row(self, effect: Noted) -> Turned:
        if effect.before == effect.after:  # it only wished what was there already
            return effect.after, effect.before
        if effect.after is None:
            return self._put_back(effect)
        if effect.before is None:
            return self._take_out(effect)
        return self._change_back(effect)

    def _put_back(self, effect: Noted) -> Turned:
        if not rows.has_place(effect.table, effect.before):
            raise _Stays(Words("its place is taken by now, or what it belonged to is gone"))
        rows.insert(effect.table, effect.before)
        return None, rows.made(effect.table, effect.before)

    def _take_out(self, effect: Noted) -> Turned:
        now = self._there(effect)
        heir = next(iter(self._wishing(effect)), None)
        if heir is not None:
            return self._hand_on(effect, heir)
        if not rows.is_made_so(effect.table, now, effect.after):
            raise self._changed(effect)
        self._nobody_later(effect)
        if (needed := rows.needed(effect.table, effect.row)) is not None:
            raise _needed(needed)
        rows.delete(effect.table, effect.row)
        return now, None

    def _hand_on(self, effect: Noted, heir: Noted) -> Turned:
        """Another message wants the same row: from now on it is that one's."""
        noted.begins_with(heir, None)
        own = dict(zip(KINDS[effect.table].made, heir.after, strict=True))
        rows.change(effect.table, effect.row, own)
        return effect.after, effect.after

    def _change_back(self, effect: Noted) -> Turned:
        if not rows.is_as(effect.table, self._there(effect), effect.after):
            raise self._changed(effect)
        wishing = self._wishing(effect)
        if not wishing:
            self._nobody_later(effect)
        to = dict(effect.before)
        for heir in wishing:
            same = [name for name, value in effect.after.items() if heir.after.get(name) == value]
            if inherited := {n: effect.before[n] for n in same if n in to and heir.before[n] == heir.after[n]}:
                noted.begins_with(heir, heir.before | inherited)
            to |= {name: effect.after[name] for name in same}
        rows.change(effect.table, effect.row, to)
        return effect.after, to

    def _wishing(self, effect: Noted) -> list[Noted]:
        """Effects of other messages that want a mark as this one left it."""
        if effect.table not in MARKS:
            return []
        others = [other for other in self._others.get(effect.place, ()) if other.undone is None]
        return [other for other in others if other.message != effect.message and other.after is not None]

    def _there(self, effect: Noted) -> State:
        now = rows.read(effect.table, effect.row)
        if now is None:
            raise self._changed(effect, Words("it is gone: removed by hand or by a load"))
        return now

    def _nobody_later(self, effect: Noted, *more: tuple[str, str]) -> None:
        """A value may look as it was left though others changed it there and back.

        Not asked where an undo is undone: what was put back before it in its turn looks later than it is.
        """
        if not effect.took_back and any(_same_columns(effect, later) for later in self._later(effect, *more)):
            raise self._changed(effect, None, *more)

    def _later(self, effect: Noted, *more: tuple[str, str]) -> list[Noted]:
        places = (effect.place, *more)
        others = (other for place in places for other in self._others.get(place, ()))
        return [other for other in others if other.id > effect.id and other.undone is None]

    def _changed(self, effect: Noted, unknown: Words | None = None, *more: tuple[str, str]) -> _Stays:
        """Who or what changed the row since."""
        later = self._later(effect, *more) or noted.later_of_message(effect)
        if not later:
            return _Stays(unknown or Words("it was changed since, by hand or by a load"))
        last = later[-1]
        if last.change is None or last.message != effect.message:
            return _Stays(Words("{message} changed it since", message=naming.message(last.message)), last.message)
        return _Stays(Words("{change} changed it since", change=naming.change(last.change)), last.message, last.change)

    def _join(self, effect: Noted) -> Turned:
        if effect.after is None:
            return joins.enter(effect.before, self.joins)
        return joins.leave(Join(effect.id, effect.message, effect.after), effect.row, self.joins)

    def _filing(self, effect: Noted) -> Turned:
        thread, merged = int(effect.row), ("thread", effect.row)
        if filings([thread]).get(thread) != effect.after:
            raise self._changed(effect, None, merged)
        self._nobody_later(effect, merged)
        joins.file(thread, effect.before)
        return effect.after, filings([thread]).get(thread)

    def _thread(self, effect: Noted) -> Turned:
        if isinstance(effect.after, int):
            self._nobody_later(effect, ("thread", str(effect.after)))
            return joins.part(effect.row, effect.before, effect.after, self.joins)
        turned = joins.merge_again(effect.row, effect.before, self.joins)
        if turned is None:
            raise self._changed(effect)
        return turned

    def _attachments(self, effect: Noted) -> Turned:
        if effect.after is None:
            return None, attachments.put_back(effect.message, effect.before)
        return attachments.take_out(effect.message), None

    def _verdict(self, effect: Noted) -> Turned:
        now = verdicts.read(effect.message)
        if any(now[name] != effect.after.get(name, now[name]) for name in verdicts.SAID):
            raise self._changed(effect)
        verdicts.write(effect.message, effect.before)
        return effect.after, effect.before


_HANDLERS = {
    "join": Taking._join,
    "threadfiling": Taking._filing,
    "thread": Taking._thread,
    "attachments": Taking._attachments,
    "message": Taking._verdict,
}


def _same_columns(effect: Noted, later: Noted) -> bool:
    if isinstance(effect.after, dict) and isinstance(later.after, dict):
        return not effect.after.keys().isdisjoint(later.after)
    return True


def _needed(row: Mapping[str, Any]) -> _Stays:
    """What still belongs to a row, so that it can't go."""
    message = row.get("message_id")
    if message is None:
        return _Stays(Words("something else belongs to it"))
    return _Stays(Words("{message} belongs to it", message=naming.message(message)), message)
