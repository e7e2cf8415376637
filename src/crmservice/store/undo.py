"""Undo: what a message caused, or what a change did, is taken back where it still stands (SPEC 13.8; HOUSE.md, point 3).

An undo is a change of its own, with effects that take the earlier ones back: so it can be undone, too. An effect
counts as its message's until a change took it back (``undone``); the effect that did so is born over. When that one
is taken back in its turn, the effect written then counts again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import IntegrityError, transaction

from crmservice.crm.ids import new_id
from crmservice.errors import CrmServiceError, TryLater
from crmservice.pipeline import after_all
from crmservice.pipeline.rule import Step, verdict_of
from crmservice.store import audit, bulk, inbox, models, noted, verdicts
from crmservice.store.changes import Effects
from crmservice.store.database import refresh, writing
from crmservice.store.inbox import Listed
from crmservice.store.noted import Noted
from crmservice.store.taking import Left, Part, Taking
from crmservice.store.trails import log_json, read_log, read_trail, trail_json

UNDONE = "UNDONE"
IN_PART = "UNDONE IN PART"
"""Log words of a message whose capture was taken back."""

BY_PEOPLE = frozenset({UNDONE, IN_PART, after_all.WORD})
"""Log words of messages that a person decided: rules don't decide them again."""


class NothingToUndo(CrmServiceError):
    """There is nothing to take back."""


class Crossed(TryLater):
    """Somebody else changed the same rows at the same moment."""


@dataclass(frozen=True, slots=True)
class By:
    """Who changes something: a login, or nobody at the command line; ``source`` as the audit log has it."""

    login: str = ""
    source: str = "cli"

    @property
    def name(self) -> str:
        """The name in trails and in the audit log."""
        return self.login or "command line"


@dataclass(slots=True)
class Touched:
    """What became of one message; ``log`` are its log words now."""

    message: int
    subject: str = ""
    log: tuple[str, ...] = ()
    taken: list[Part] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo did. ``change`` takes it back in its turn; None where nothing could be taken back."""

    change: int | None
    undoes: int | None
    messages: tuple[Touched, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing had to be left as it is."""
        return not any(one.left for one in self.messages)


@contextmanager
def changing(
    kind: str, by: By, *, change: int | None = None, undoes: int | None = None, dry: bool = False
) -> Iterator[Taking]:
    """One transaction that is a change, or goes on with it; without an effect, or ``dry``, nothing of it stays.

    Raises Crossed, or DatabaseUnavailable.
    """
    change = change or new_id()
    facts = {"by": by.login, "made": bulk.now(), "undoes_id": undoes}
    try:
        with writing(serialised=True):
            models.Change.objects.get_or_create(id=change, defaults={"kind": kind} | facts)
            taking = Taking(Effects(change))
            yield taking
            if dry or not taking.effects.count:
                transaction.set_rollback(True)
            else:
                noted_ = {"effects": taking.effects.count} | ({"undoes": str(undoes)} if undoes else {})
                audit.append(by.name, by.source, kind, f"change {change}", noted_)
    except IntegrityError as error:
        raise Crossed from error


def undo_messages(ids: Sequence[int], by: By, *, dry: bool = False) -> Undone:
    """Take back all that these messages caused, and keep the messages. ``ids``: of messages or of their activities.

    With ``dry`` only what would be done. Raises NothingToUndo, Crossed, or DatabaseUnavailable.
    """
    with changing("undo", by, dry=dry) as taking:
        messages = sorted(set(_messages_of(ids)), reverse=True)
        effects = [effect for message in messages for effect in noted.of_message(message)]
        if not effects:
            raise NothingToUndo("there is nothing that could be taken back")
        touched = {message: Touched(message) for message in messages}
        _take_all(taking, effects, touched)
        for one in touched.values():
            if one.taken:
                _say_undone(taking, one, by)
        return _undone(taking, None, touched)


def undo_change(change: int, by: By, *, dry: bool = False) -> Undone:
    """Take back what a change did; an undo too. Raises NothingToUndo, Crossed, or DatabaseUnavailable."""
    with changing("undo", by, undoes=change, dry=dry) as taking:
        effects = noted.of_change(change)
        if not effects:
            raise NothingToUndo("there is no change {id}, or nothing of it is left to take back", id=change)
        verdicts_ = [effect for effect in effects if effect.table == "message"]
        touched = {effect.message: Touched(effect.message) for effect in effects}
        _take_all(taking, [effect for effect in effects if effect.table != "message"], touched)
        taking.expect(verdicts_)
        for effect in verdicts_:
            one = touched[effect.message]
            if not (_files(one.left) and not _files(one.taken)):
                _sort(taking.take(effect), one)
        return _undone(taking, change, touched)


def last_change() -> int:
    """The newest change. Raises NothingToUndo."""
    refresh()
    rows = bulk.query("SELECT max(id) FROM crm_change")
    if rows[0][0] is None:
        raise NothingToUndo("there is no change that could be taken back")
    return int(rows[0][0])


def _messages_of(ids: Sequence[int]) -> Iterator[int]:
    """Messages as they are, activities as their messages."""
    own = dict(bulk.query_in("SELECT id, message_id FROM crm_activity WHERE id IN {in}", ids))
    there = {key for (key,) in bulk.query_in("SELECT id FROM crm_message WHERE id IN {in}", ids)}
    for key in ids:
        message = key if key in there else own.get(key)
        if message is None:
            raise NothingToUndo("there is neither a message nor an activity of one with the id {id}", id=key)
        yield message


def _take_all(taking: Taking, effects: Sequence[Noted], touched: dict[int, Touched]) -> None:
    taking.expect(effects)
    for effect in effects:
        _sort(taking.take(effect), touched[effect.message])
    for message, one in touched.items():
        if one.taken:
            taking.list_nothing(message)


def _sort(part: Part | Left, one: Touched) -> None:
    if isinstance(part, Left):
        one.left.append(part)
    else:
        one.taken.append(part)


def _files(parts: Iterable[Part | Left]) -> bool:
    """Whether there is a part among them by which a message counts as processed."""
    return any(part.table in ("activity", "task") for part in parts)


def _say_undone(taking: Taking, one: Touched, by: By) -> None:
    """The message's verdict, log words and trail say what happened; its key stays, so that a repeat is recognised."""
    row = verdicts.read(one.message)
    code, log = _log_undone(read_log(row["log"]), in_part=_files(one.left))
    facts = {"by": by.name, "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "change": str(taking.change)}
    trail = (*read_trail(row["trail"]), Step("undo", "", True, code, facts))
    after = {"verdict": verdict_of(log).value, "log": log_json(log), "trail": trail_json(trail)}
    before = {name: row[name] for name in after}
    verdicts.write(one.message, after)
    taking.note(one.message, "message", str(one.message), before, after, counts=False)


def _log_undone(log: tuple[str, ...], *, in_part: bool) -> tuple[str, tuple[str, ...]]:
    """The trail's code and the log words. What is left of a duplicate is a duplicate, of anything else a skipped mail."""
    if in_part:
        return "undone-in-part", (*(word for word in log if word != IN_PART), IN_PART)
    return "undone", (*(word for word in log if word == "DUPLICATE KEY"), UNDONE, "DELETED")


def _undone(taking: Taking, undoes: int | None, touched: dict[int, Touched]) -> Undone:
    sql = "SELECT id, subject, log FROM crm_message WHERE id IN {in}"
    for key, subject, log in bulk.query_in(sql, touched):
        touched[key].subject, touched[key].log = subject, read_log(log)
    return Undone(taking.change if taking.effects.count else None, undoes, tuple(touched.values()))


@dataclass(frozen=True, slots=True)
class Made:
    """A change, to be shown: ``undoes`` the change that it took back, ``left`` how many effects of it can be."""

    id: int
    kind: str
    by: str
    made: datetime
    undoes: int | None
    messages: int
    left: int


def changes(limit: int) -> list[Made]:
    """The newest changes first."""
    refresh()
    sql = (
        'SELECT c.id, c.kind, c."by", c.made, c.undoes_id, count(DISTINCT e.message_id),'
        " count(CASE WHEN e.undone_id IS NULL OR e.undone_id = c.id THEN 1 END)"
        " FROM crm_change c LEFT JOIN crm_effect e ON e.change_id = c.id WHERE c.id IN"
        " (SELECT id FROM crm_change ORDER BY id DESC LIMIT %s)"
        ' GROUP BY c.id, c.kind, c."by", c.made, c.undoes_id ORDER BY c.id DESC'
    )
    return [Made(key, kind, by, bulk.moment(made), *rest) for key, kind, by, made, *rest in bulk.query(sql, [limit])]


def capturing(limit: int) -> list[Listed]:
    """The newest messages that caused anything which counts."""
    refresh()
    sql = (
        "SELECT m.id FROM crm_message m WHERE EXISTS (SELECT 1 FROM crm_effect e WHERE e.message_id = m.id"
        " AND e.undone_id IS NULL AND e.\"table\" <> 'message') ORDER BY m.id DESC LIMIT %s"
    )
    return inbox.list_messages(ids=[key for (key,) in bulk.query(sql, [limit])])
