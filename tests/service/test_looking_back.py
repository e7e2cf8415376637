"""The look back of neverFile: what was filed before somebody was listed goes, or is taken from whom it must not be with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crmservice.backup.folder import BackupFolder
from crmservice.pipeline.process import Pipeline
from crmservice.rules import CHAIN
from crmservice.service.fates import Fate
from crmservice.service.looking_back import Listed, LookBack
from crmservice.service.verifying import differences
from crmservice.store import access, audit, bulk, holds, never_file, tables, trails, undo
from crmservice.store.gateway import StoreGateway
from crmservice.store.undo import By
from crmservice.testing.builders import COMPANY, box, calendar, eml, nested, part
from tests.service.desk import NOON, Desk
from tests.store.conftest import empty_sqlite, home, server

__all__ = ["empty_sqlite", "home", "server"]

DOCTOR = "lekar@zdravi.example"
SECRET = "diagnosis-of-novak"
TO_ALL = eml(SECRET, sender=DOCTOR, to="novak@firma.cz, svoboda@firma.cz", subject="oběma", message_id="1@x")
TO_HIM = eml(SECRET, sender=DOCTOR, to="novak@firma.cz", subject="jemu", message_id="2@x",
    parts=[part("příloha", name="a.txt"), calendar(organizer=DOCTOR)])  # fmt: skip
BY_HIM = eml(SECRET, sender="novak@firma.cz", to=DOCTOR, subject="od něj", message_id="3@x")
OTHER = eml("nic", sender="bob@beta.example", to="novak@firma.cz", subject="jiné", message_id="4@x")
INVITED = eml(sender=DOCTOR, to="novak@firma.cz, svoboda@firma.cz", subject="pozvánka", message_id="5@x",
    parts=[calendar(organizer=DOCTOR, uid="u5")])  # fmt: skip
MAILS = (TO_ALL, TO_HIM, BY_HIM, OTHER, INVITED)
BY = By()


@pytest.fixture
def desk(home: Path) -> Desk:
    tables.load(COMPANY)
    desk = Desk(home)
    desk.put(*MAILS, TO_HIM)
    desk.take()
    desk.file()
    return desk


def look_back(desk: Desk) -> LookBack:
    pipeline = Pipeline(StoreGateway(), CHAIN)
    return LookBack(BackupFolder(desk.home), {desk.box.name: desk.box}, pipeline, lambda: NOON)


def listed(desk: Desk, *entries: str) -> Desk:
    return replace(desk, box=replace(desk.box, never_file=frozenset(entries)))


def done(desk: Desk) -> Listed:
    work = look_back(desk)
    return work.carry_out(work.plan(BY), BY)


def filed() -> list[tuple[str, str]]:
    """Subject and login of every activity and invitation."""
    sql = (
        "SELECT m.subject, u.login FROM crm_activity a JOIN crm_message m ON m.id = a.message_id"
        " JOIN crm_user u ON u.id = a.responsible_id UNION ALL SELECT m.subject, u.login || ' invited'"
        " FROM crm_invitation i JOIN crm_message m ON m.id = i.message_id JOIN crm_user u ON u.id = i.user_id"
    )
    return sorted(bulk.query(sql))


def whole(desk: Desk) -> list[str]:
    """Subjects of the mails that are kept as they arrived."""
    return [
        subject for (subject,) in bulk.query("SELECT subject FROM crm_message WHERE stored_sha256 = '' ORDER BY id")
    ]


def test_a_company_wide_entry_leaves_the_headers_of_all_such_mail(desk: Desk) -> None:
    desk = listed(desk, "zdravi.example")
    assert done(desk).count(Fate.REDUCED) == 5
    assert (filed(), whole(desk)) == ([("jiné", "novak")], ["jiné"])
    assert desk.logs() == ["NEVER FILED, DELETED"] * 3 + ["PROCESSED"] + ["NEVER FILED, DELETED"] * 2
    raws = [file.read_bytes() for file in desk.home.rglob("*.eml")]
    assert [raw for raw in raws if SECRET.encode() in raw] == []
    assert list(differences(BackupFolder(desk.home), desk.home, quick=False)) == []
    assert look_back(desk).plan(BY).found == []


def test_nothing_is_changed_before_it_is_wished(desk: Desk) -> None:
    before = filed()
    never_file.add("novak", DOCTOR, "sef", "web")
    plan = look_back(desk).plan(BY)
    assert (plan.count(Fate.REDUCED), plan.taken.count, plan.rows["activity"]) == (3, 4 - 1, 2)
    assert (filed(), len(whole(desk)), undo.changes(9)) == (before, 6, [])


def test_a_users_entry_takes_from_him_what_others_keep_and_undo_gives_it_back(desk: Desk) -> None:
    before = filed()
    never_file.add("novak", DOCTOR, "sef", "web")
    made = done(desk)
    assert filed() == [
        ("jiné", "novak"), ("oběma", "svoboda"), ("pozvánka", "svoboda"), ("pozvánka", "svoboda invited"),
    ]  # fmt: skip
    assert whole(desk) == ["oběma", "jiné", "pozvánka"]
    assert made.taken.change is not None
    given = undo.undo_change(made.taken.change, BY)
    assert given.whole
    assert filed() == [one for one in before if one[0] not in ("jemu", "od něj")]
    assert desk.differences() == []


def test_an_invitation_that_a_later_mail_changed_goes_with_both(home: Path) -> None:
    tables.load(COMPANY)
    desk = Desk(home)
    for sequence, subject in enumerate(("pozvánka", "změna")):
        invitation = calendar(organizer=DOCTOR, uid="u", sequence=sequence, stamp=f"2026030{sequence + 1}T100000Z")
        desk.put(eml(sender=DOCTOR, to="novak@firma.cz, svoboda@firma.cz", subject=subject, parts=[invitation],
            message_id=f"{sequence}@x"))  # fmt: skip
    desk.take()
    desk.file()
    before = filed()
    never_file.add("novak", DOCTOR, "sef", "web")
    made = done(desk)
    assert (made.taken.left, [one for one in filed() if "novak" in one[1]]) == ([], [])
    assert made.taken.change is not None
    assert undo.undo_change(made.taken.change, BY).whole
    assert filed() == before


def test_the_trail_says_that_it_was_taken_and_not_from_whom(desk: Desk) -> None:
    never_file.add("novak", DOCTOR, "sef", "web")
    done(desk)
    ((trail,),) = bulk.query("SELECT trail FROM crm_message WHERE subject = 'oběma'")
    last = trails.read_trail(trail)[-1]
    assert (last.rule, last.code, sorted(last.evidence)) == ("never_filed", "taken-from-users", ["by", "change"])


def test_what_was_changed_by_hand_since_is_named_and_stays(desk: Desk) -> None:
    bulk.execute("UPDATE crm_activity SET subject = 'opraveno' WHERE subject = 'oběma'")
    never_file.add("novak", DOCTOR, "sef", "web")
    assert [left.table for left in done(desk).taken.left] == ["activity"]
    assert ("oběma", "novak") in filed()


def test_a_legal_hold_leaves_the_mail_as_it_is(desk: Desk) -> None:
    before = filed()
    holds.hold("zdravi.example", "spor", "sef", "web")
    desk = listed(desk, DOCTOR)
    assert (done(desk).count(Fate.HELD), filed(), len(whole(desk))) == (5, before, 6)


def test_cut_short_it_is_made_good_by_the_next(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = listed(desk, DOCTOR)
    plan = look_back(desk).plan(BY)
    with monkeypatch.context() as patch:
        patch.setattr("crmservice.store.erase.reduced", _die)
        with pytest.raises(KeyboardInterrupt):
            look_back(desk).carry_out(plan, BY)
    assert done(desk).found == []
    assert (filed(), whole(desk)) == ([("jiné", "novak")], ["jiné"])
    assert list(differences(BackupFolder(desk.home), desk.home, quick=False)) == []


def _die(_stored: object) -> None:
    raise KeyboardInterrupt


def test_a_mail_inside_that_an_employee_forwarded_counts_as_that_mail(home: Path) -> None:
    tables.load(COMPANY)
    desk = Desk(home, box(rules="safe"))
    inner = eml(SECRET, sender=DOCTOR, to="novak@firma.cz", subject="uvnitř")
    desk.put(eml(sender="svoboda@firma.cz", to="crm@firma.cz", subject="Fwd: uvnitř", parts=[nested(inner)]))
    desk.take()
    desk.file()
    assert desk.logs() == ["UNWRAPPED, PROCESSED"]
    assert done(listed(desk, DOCTOR)).count(Fate.REDUCED) == 1


def test_an_entry_is_added_once_and_removed_and_audited(home: Path) -> None:
    tables.load(COMPANY)
    assert never_file.add("novak", DOCTOR, "sef", "web")
    assert not never_file.add("novak", DOCTOR, "sef", "web")
    assert never_file.entries() == [("novak", DOCTOR)]
    assert (never_file.remove("novak", DOCTOR, "sef", "web"), never_file.remove("novak", DOCTOR, "sef", "web")) == (
        True,
        False,
    )
    assert {entry.action for entry in audit.entries()} == {"never-file", "file-again"}
    assert DOCTOR not in str(audit.entries())
    with pytest.raises(access.NoSuchUser):
        never_file.add("nikdo", DOCTOR, "sef", "web")


def test_the_next_mail_meets_a_new_entry_at_once(desk: Desk) -> None:
    never_file.add("novak", DOCTOR, "sef", "web")
    desk.put(eml(sender=DOCTOR, to="novak@firma.cz", subject="nové", message_id="9@x"))
    desk.take()
    desk.file()
    assert desk.logs()[-1] == "NEVER FILED, DELETED"
