"""Users' own ``neverFile``: whose mail is never filed for whom, and what is taken from them that was filed before.

What is taken from one user while others keep it is a change as any other, that ``undo`` takes back (SPEC 13.8): nothing of the
mail is lost by it. Mail of which nobody keeps anything is erased instead (``store.erase.reduced``), and stays so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from crmservice.crm.ids import new_id
from crmservice.pipeline.rule import Step
from crmservice.store import access, audit, bulk, models, noted, reference, verdicts
from crmservice.store.database import refresh, writing
from crmservice.store.noted import Noted
from crmservice.store.taking import Left, Taking
from crmservice.store.trails import read_log, read_trail, trail_json
from crmservice.store.undo import By, changing

KIND = "never-file"
"""The kind of such a change."""

_OWNERS = {"activity": ("crm_activity", "responsible_id"), "invitation": ("crm_invitation", "user_id")}
"""Effect's word -> the table, and its column for whose a row is."""


@dataclass(slots=True)
class Taken:
    """What was taken from users. ``change`` takes it back, None where nothing was; ``left`` stays as it is."""

    change: int | None = None
    count: int = 0
    left: list[Left] = field(default_factory=list)


def entries() -> list[tuple[str, str]]:
    """Login and address or domain, in order."""
    refresh()
    found = models.NeverFile.objects.order_by("user__login", "address")
    return list(found.values_list("user__login", "address"))


def add(login: str, address: str, by: str, source: str) -> bool:
    """Never file mail of this address or domain for a user; False where it stood there. Raises NoSuchUser."""
    with writing():
        place = {"user_id": _user(login), "address": address}
        _row, made = models.NeverFile.objects.get_or_create(**place, defaults={"id": new_id()})
        _changed(by, source, "never-file", login, address)
    return made


def remove(login: str, address: str, by: str, source: str) -> bool:
    """File it again, from now on; False where it did not stand there. Raises NoSuchUser."""
    with writing():
        sql = "DELETE FROM crm_never_file WHERE user_id = %s AND address = %s"
        gone = bulk.execute(sql, [_user(login), address]) > 0
        _changed(by, source, "file-again", login, address)
    return gone


def _user(login: str) -> int:
    for (key,) in bulk.query("SELECT id FROM crm_user WHERE login = %s", [login]):
        return int(key)
    raise access.NoSuchUser("there is no user {login!r}", login=login)


def _changed(by: str, source: str, action: str, login: str, address: str) -> None:
    reference.touch()
    audit.append(by, source, action, login, {"address": address})


@dataclass(frozen=True, slots=True)
class Known:
    """Who has activities or invitations of a message (``users``); of it or of the one that it repeats (``holders``).

    ``repeats_never_filed``: of that one the headers alone are kept.
    """

    users: frozenset[int]
    holders: frozenset[int]
    repeats_never_filed: bool


def known(message: int) -> Known:
    """Who has what of a message."""
    sql = (
        "SELECT f.id, f.log FROM crm_message m JOIN crm_message f ON f.id = m.first_id"
        " WHERE m.id = %s AND m.verdict = 'duplicate'"
    )
    first, log = next(iter(bulk.query(sql, [message])), (None, ""))
    users = _receivers(message)
    return Known(users, users | _receivers(first) if first else users, "NEVER FILED" in read_log(log))


def _receivers(message: int) -> frozenset[int]:
    sql = (
        "SELECT responsible_id FROM crm_activity WHERE message_id = %s"
        " UNION SELECT user_id FROM crm_invitation WHERE message_id = %s"
    )
    return frozenset(user for (user,) in bulk.query(sql, [message, message]))


def take_from(users: Mapping[int, Collection[int]], by: By, *, dry: bool = False) -> Taken:
    """Take activities and invitations of messages from users: message -> whose. One change; others keep theirs.

    With ``dry`` only what would be. Raises Crossed, or DatabaseUnavailable.
    """
    taken = Taken()
    if not users:
        return taken
    with changing(KIND, by, dry=dry) as taking:
        # The latest first, of all messages: a later one may have changed what an earlier one made.
        effects = [effect for message in sorted(users, reverse=True) for effect in _theirs(message, users[message])]
        taking.expect(effects)
        touched = set()
        for effect in effects:
            part = taking.take(effect)
            if isinstance(part, Left):
                taken.left.append(part)
            else:
                taken.count += 1
                touched.add(effect.message)
        for message in sorted(touched):
            _say(taking, message, by)
        taken.change = taking.change if touched and not dry else None
    return taken


def _theirs(message: int, whose: Collection[int]) -> list[Noted]:
    """What the message did to activities and invitations of these users, the latest first."""
    effects = [effect for effect in noted.of_message(message) if effect.table in _OWNERS]
    theirs: set[tuple[str, str]] = set()
    for table, (sql_table, column) in _OWNERS.items():
        ids = [int(effect.row) for effect in effects if effect.table == table]
        rows = bulk.query_in(f"SELECT id, {column} FROM {sql_table} WHERE id IN {{in}}", ids)  # noqa: S608 (our own names)
        theirs |= {(table, str(key)) for key, user in rows if user in whose}
    return [effect for effect in effects if effect.place in theirs]


def _say(taking: Taking, message: int, by: By) -> None:
    """The message's trail says that it was taken from somebody; not from whom, nor by which entry."""
    before = verdicts.read(message)["trail"]
    step = Step("never_filed", "", True, "taken-from-users", {"by": by.name, "change": str(taking.change)})
    after = trail_json((*read_trail(before), step))
    verdicts.write(message, {"trail": after})
    taking.note(message, "message", str(message), {"trail": before}, {"trail": after}, counts=False)
