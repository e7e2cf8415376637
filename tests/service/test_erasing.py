"""An erased person is nowhere any more: not in a file, not in a table, not in a log; all others are as they were."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connections

from crmservice.backup.folder import BackupFolder
from crmservice.crm.ids import new_id
from crmservice.mail.mentions import mentions
from crmservice.mail.redaction import MARK
from crmservice.notices import note
from crmservice.service.erasing import Done, Erasing, NotErasable, Plan
from crmservice.service.fates import Fate
from crmservice.service.log import ServiceLog
from crmservice.service.verifying import differences
from crmservice.store import audit, bulk, database, dump, erasures, holds, inbox, ledger, models, tables
from crmservice.testing.builders import COMPANY, calendar, eml, nested, part
from tests.service.desk import NOON, Desk
from tests.store.conftest import arrival, empty_sqlite, home, server

__all__ = ["empty_sqlite", "home", "server"]

EVA = "eva@acme.cz"
ROWS_OF_EVA = {"contacts": [{"name": "Eva", "account": "ACME s.r.o.", "emails": [EVA]}]}

WHOLE = [
    eml(sender=f"Eva Nová <{EVA}>", subject="Poptávka", parts=[part("obsah", name="a.txt")], message_id="1@x"),
    eml(sender="novak@firma.cz", to=f"Eva <{EVA}>", subject="Re: Poptávka", in_reply_to="<1@x>", message_id="2@x"),
    eml(sender=EVA, subject="Pozvánka", parts=[calendar(organizer=EVA)], message_id="3@x"),
    eml(sender=EVA, subject="nechci", message_id="4@x"),
    eml(sender=EVA, to="jinam@jinde.example", subject="nikomu", message_id="5@x"),
    eml(
        sender="novak@firma.cz", to="svoboda@firma.cz", subject="Fwd", parts=[nested(eml(sender=EVA))], message_id="6@x"
    ),
    eml(sender=EVA, cc="bob@beta.example", subject="její dopis i pro Boba", message_id="7@x"),
]
"""Hers: she wrote it, or takes part with colleagues alone."""

BLACKED_OUT = [
    eml(sender="novak@firma.cz", to=f"Bob <bob@beta.example>, {EVA}", subject="oběma", message_id="11@x"),
    eml("pište na Eva@ACME.cz", sender="bob@beta.example", subject="Bob ji jmenuje", message_id="12@x"),
    eml(f"co {EVA}?", sender="novak@firma.cz", to="svoboda@firma.cz", subject="interní", message_id="13@x"),
    eml(sender="bob@beta.example", subject="porada", parts=[calendar(organizer="bob@beta.example", uid="u2",
        lines=[f"ATTENDEE:mailto:{EVA}"])], message_id="14@x"),
]  # fmt: skip
"""Another customer's, or only naming her."""

OTHERS = [
    eml(sender="bob@beta.example", subject="nic s ní", message_id="21@x"),
    eml(sender="neva@acme.cz", subject="jiná paní", message_id="22@x"),
    eml(sender="jana@acme.cz", to="svoboda@firma.cz", subject="kolegyně", message_id="23@x"),
]


LINE = f"crm {EVA} 'Poptávka od \\'Evy\\'' PROCESSED"


@pytest.fixture
def desk(home: Path) -> Desk:
    """A company with Eva among its customers, and its mail filed; one of hers waits."""
    tables.load(COMPANY)
    tables.load(ROWS_OF_EVA)
    desk = Desk(home)
    desk.put(*WHOLE, *BLACKED_OUT, *OTHERS)
    desk.take()
    desk.file()
    desk.put(eml(sender=EVA, subject="čeká", message_id="31@x"))
    desk.take()
    assert "SET ASIDE" not in desk.logs()
    return desk


def erasing(desk: Desk, **how: object) -> Erasing:
    return Erasing(desk.home, BackupFolder(desk.home), [desk.box], lambda: NOON + timedelta(days=1), **how)  # type: ignore[arg-type]


def erased(desk: Desk, address: str = EVA, **how: object) -> tuple[Plan, Done]:
    work = erasing(desk, **how)
    plan = work.plan(address)
    return plan, work.carry_out(plan, "command line", "cli")


def subjects(desk: Desk, fate: Fate, plan: Plan) -> set[str]:
    names = {row.id: row.subject for row in desk.rows()}
    return {names[one.mail.id] for one in plan.found if one.fate is fate}


def everything(home: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of the home, and all that the database holds."""
    if database.is_postgresql():
        url = connections["default"].settings_dict
        command = ["pg_dump", f"--host={url['HOST']}", f"--username={url['USER']}", str(url["NAME"])]
        yield "database", subprocess.run(command, capture_output=True, check=True).stdout
    else:
        connections.close_all()
    yield from ((str(file), file.read_bytes()) for file in home.rglob("*") if file.is_file())


def hits(home: Path, address: str = EVA) -> list[str]:
    """Where the address stands; a mail's encodings undone."""
    plain = [name for name, data in everything(home) if _names(data, address)]
    mails = [path for path in home.rglob("*.eml") if address in mentions(path.read_bytes()).everybody]
    return [*plain, *map(str, mails)]


def _names(data: bytes, address: str) -> bool:
    text = data.decode("latin-1").lower()
    at = text.find(address)
    while at >= 0:
        if not (at and text[at - 1].isalnum()):  # neva@acme.cz is somebody else
            return True
        at = text.find(address, at + 1)
    return False


def test_what_is_hers_goes_and_what_is_anothers_too_is_blacked_out(desk: Desk) -> None:
    plan = erasing(desk).plan(EVA)
    assert subjects(desk, Fate.GOES, plan) == {
        "Poptávka", "Re: Poptávka", "Pozvánka", "nechci", "nikomu", "Fwd", "její dopis i pro Boba", "",
    }  # fmt: skip
    assert subjects(desk, Fate.BLACKED_OUT, plan) == {"oběma", "Bob ji jmenuje", "interní", "porada"}
    assert (plan.count(Fate.HELD), plan.count(Fate.LOST)) == (0, 0)


def test_a_preview_changes_nothing(desk: Desk) -> None:
    before, files = tables.export(), {str(f): f.read_bytes() for f in desk.home.rglob("*.eml")}
    plan = erasing(desk).plan(EVA)
    assert tables.export() == before
    assert {str(f): f.read_bytes() for f in desk.home.rglob("*.eml")} == files
    assert (plan.rows["activity"], plan.rows["invitation"], plan.rows["attachment"]) == (6, 1, 2)
    assert audit.entries() == []


def test_nothing_of_her_is_left_anywhere(desk: Desk) -> None:
    ServiceLog(desk.home, UTC, lambda: NOON).error(LINE)
    note("box-fault", "crm", f"mail of {EVA}", who=f"Eva <{EVA}>")
    models.Outgoing.objects.create(
        id=new_id(), kind="reply", box="crm", sender="novak@firma.cz", recipient=EVA, message_id="o1", raw=b"x",
        made=NOON, due=NOON,
    )  # fmt: skip
    models.SentAddress.objects.get_or_create(address=EVA)
    assert hits(desk.home)
    _plan, done = erased(desk)
    assert hits(desk.home) == []
    assert done.compacted


def test_the_ledger_still_adds_up_and_everything_else_is_as_it_was(desk: Desk) -> None:
    before = ledger.by_box()["crm"]
    others = {a["id"] for a in tables.export()["activities"] if a["subject"] in ("nic s ní", "jiná paní", "kolegyně")}
    kept = [a for a in tables.export()["activities"] if a["id"] in others]
    erased(desk)
    after = ledger.by_box()["crm"]
    assert after.arrived == before.arrived
    assert (after.waiting, after.skipped) == (0, before.skipped + 1)
    assert [one.words for one in differences(BackupFolder(desk.home), desk.home)] == []
    assert [a for a in tables.export()["activities"] if a["id"] in others] == kept
    assert next(c for c in tables.export()["contacts"] if c["name"] == "Jana")["emails"]
    assert "Eva" not in [c["name"] for c in tables.export()["contacts"]]


def test_a_mail_of_others_stays_filed_and_readable_without_her(desk: Desk) -> None:
    erased(desk)
    (activity,) = [a for a in tables.export()["activities"] if a["subject"] == "Bob ji jmenuje"]
    assert f"pište na {MARK}" in activity["body"]
    (row,) = [row for row in desk.rows() if row.subject == "oběma"]
    raw = BackupFolder(desk.home).read(row.path)
    assert (b"bob@beta.example" in raw, MARK.encode() in raw) == (True, True)
    (event,) = [i for i in models.Invitation.objects.values("uid", "attendees") if i["uid"] == "u2"]
    assert [one["email"] for one in json.loads(event["attendees"])] == ["novak@firma.cz"]


def test_rows_of_erased_mail_say_when_and_what_became_of_it_and_nothing_else(desk: Desk) -> None:
    rows = {row.subject: row for row in desk.rows()}
    erased(desk)
    row = models.Message.objects.get(id=rows["Poptávka"].id)
    assert (row.path, row.sender, row.subject, row.trail, row.key, row.source_id) == ("", "", "", "", None, "")
    assert (row.verdict, row.log, row.sha256, row.size) == (
        "processed", '["PROCESSED"]', rows["Poptávka"].sha256, rows["Poptávka"].size,
    )  # fmt: skip
    assert row.erased is not None
    waiting = models.Message.objects.get(id=rows[""].id)
    assert (waiting.verdict, waiting.log) == ("skipped", '["ERASED","DELETED"]')
    desk.file()
    assert models.Message.objects.filter(verdict="").count() == 0


def test_nobody_writes_to_her_again_though_nobody_knows_her(desk: Desk) -> None:
    models.ForbiddenEmail.objects.create(id=new_id(), email=EVA, type="broken")
    erased(desk)
    stored = set(models.ForbiddenEmail.objects.values_list("email", "type"))
    assert stored == {(erasures.pseudonym(EVA), "broken"), (erasures.pseudonym(EVA), "do_not_send")}
    tables.load({"forbidden_emails": tables.export()["forbidden_emails"]})
    assert set(models.ForbiddenEmail.objects.values_list("email", "type")) == stored
    desk.put(eml(sender=EVA, subject="nechci", message_id="41@x"))
    desk.take()
    desk.file()
    assert set(models.ForbiddenEmail.objects.values_list("email", "type")) == stored


def test_the_certificate_and_the_audit_log_name_nobody(desk: Desk) -> None:
    plan, done = erased(desk)
    said = json.loads(done.certificate.read_text("utf-8"))
    assert said["address_hmac"] == erasures.digest(EVA)
    assert {name: n for name, n in said["mails"].items() if n} == {"erased": 8, "blacked_out": 4}
    assert (said["by"], said["when"]) == ("command line", "2026-03-03T12:00:00+00:00")
    assert (said["compacted"], said["backup_told"]) == (True, None)
    assert said["rows"]["activity"] == plan.rows["activity"]
    (entry,) = audit.entries()
    assert (entry.action, entry.object) == ("erase", erasures.pseudonym(EVA))
    assert list(audit.broken()) == []
    (row,) = models.Erasure.objects.all()
    assert (row.digest, row.by) == (erasures.digest(EVA), "command line")


def test_an_erasure_is_done_again_where_it_was_done_before(desk: Desk) -> None:
    erased(desk)
    desk.put(eml(sender=EVA, subject="znovu", message_id="42@x"))
    desk.take()
    desk.file()
    plan, _done = erased(desk)
    assert plan.count(Fate.GOES) == 1
    assert hits(desk.home) == []
    assert models.Erasure.objects.count() == 1


def test_with_whole_also_mail_of_others_goes(desk: Desk) -> None:
    plan, _done = erased(desk, whole=True)
    assert (plan.count(Fate.GOES), plan.count(Fate.BLACKED_OUT)) == (12, 0)
    assert hits(desk.home) == []


def test_an_invitation_of_hers_that_no_mail_brought_goes(desk: Desk) -> None:
    row = {"user": "novak", "uid": "loaded", "starts": "2026-03-02T08:15:00+00:00", "organizer": EVA}
    tables.load({"invitations": [row]})
    erased(desk)
    assert "loaded" not in [invitation["uid"] for invitation in tables.export()["invitations"]]


def test_a_contact_with_another_address_keeps_it(desk: Desk) -> None:
    erased(desk, "jana@acme.cz")
    (jana,) = [c for c in tables.export()["contacts"] if c["name"] == "Jana"]
    assert jana["emails"] == ["jana@gmail.com"]


@pytest.mark.parametrize(
    "address", ["novak@firma.cz", "jan.novak@firma.cz", "obchod@firma.cz", "crm@firma.cz", "x@firma.cz"]
)
def test_the_companys_own_addresses_are_refused(desk: Desk, address: str) -> None:
    with pytest.raises(NotErasable, match="company's own"):
        erasing(desk).plan(address)


@pytest.mark.parametrize("address", ["eva", "@acme.cz", "eva@", "a@b@c", "eva nova@acme.cz", ""])
def test_what_is_no_address_is_refused(desk: Desk, address: str) -> None:
    with pytest.raises(NotErasable, match="no e-mail address"):
        erasing(desk).plan(address)


@pytest.mark.parametrize("held", [EVA, "acme.cz", "@acme.cz", "Eva@Acme.cz"])
def test_a_hold_on_her_stops_it_with_words(desk: Desk, held: str) -> None:
    plan = erasing(desk).plan(EVA)
    holds.hold(held, "spor 7/2026", "novak", "cli")
    for attempt in (lambda: erasing(desk).plan(EVA), lambda: erasing(desk).carry_out(plan, "x", "cli")):
        with pytest.raises(holds.UnderHold, match="spor 7/2026"):
            attempt()
    assert holds.release(held, "novak", "cli")
    erased(desk)
    assert hits(desk.home) == []
    assert [entry.action for entry in audit.entries()] == ["erase", "release", "hold"]


def test_a_hold_on_another_keeps_the_mail_in_which_he_takes_part(desk: Desk) -> None:
    holds.hold("bob@beta.example", "", "novak", "cli")
    held = {"oběma", "Bob ji jmenuje", "porada", "její dopis i pro Boba"}
    files = {row.path: BackupFolder(desk.home).read(row.path) for row in desk.rows() if row.subject in held}
    before = [a for a in tables.export()["activities"] if a["subject"] in held]
    plan, _done = erased(desk)
    assert subjects(desk, Fate.HELD, plan) == held
    assert {path: BackupFolder(desk.home).read(path) for path in files} == files
    after = [a for a in tables.export()["activities"] if a["subject"] in held]
    assert [a | {"contacts": []} for a in after] == [a | {"contacts": []} for a in before]
    assert [one.words for one in differences(BackupFolder(desk.home), desk.home)] == []
    holds.release("bob@beta.example", "novak", "cli")
    erased(desk)
    assert hits(desk.home) == []


def test_mail_without_a_backup_goes_by_its_sender(desk: Desk) -> None:
    inbox.accept([arrival(1, path="", sha256="", verdict="set_aside", sender=EVA, subject="velká", gone=False)])
    erased(desk)
    assert hits(desk.home) == []


def test_a_lost_backup_is_told_and_its_row_is_blacked_out(desk: Desk) -> None:
    (row,) = [row for row in desk.rows() if row.subject == "Poptávka"]
    (desk.home / row.path).unlink()
    plan, _done = erased(desk)
    assert subjects(desk, Fate.LOST, plan) == {"Poptávka"}
    assert hits(desk.home) == []


class Dies(BackupFolder):
    """A folder whose process dies before it does the nth thing."""

    def __init__(self, home: Path, after: int) -> None:
        super().__init__(home)
        self.left = after

    def _live(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt

    def remove(self, paths):  # type: ignore[no-untyped-def]
        self._live()
        super().remove(paths)

    def replace(self, path, content):  # type: ignore[no-untyped-def]
        self._live()
        kept = super().replace(path, content)
        self._live()
        return kept


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
@pytest.mark.parametrize("after", range(9))
def test_a_death_at_any_moment_is_made_good_by_the_next_run(desk: Desk, after: int) -> None:
    work = erasing(desk)
    plan = work.plan(EVA)
    work.raw = Dies(desk.home, after)
    with pytest.raises(KeyboardInterrupt):
        work.carry_out(plan, "x", "cli")
    erased(desk)
    assert hits(desk.home) == []
    assert [one.words for one in differences(BackupFolder(desk.home), desk.home)] == []


def test_a_list_that_is_applied_to_an_older_store_erases_again_but_not_what_came_later(
    desk: Desk, tmp_path: Path
) -> None:
    before = tmp_path / "before"
    before.mkdir()
    dump.save(before / dump.name())
    mails = {row.path: BackupFolder(desk.home).read(row.path) for row in desk.rows()}
    erased(desk)
    at = datetime.now(UTC)
    dump.load(before / dump.name())
    BackupFolder(desk.home).put(mails)
    desk.now = at + timedelta(days=1)
    desk.put(eml(sender=EVA, subject="po čase znovu", message_id="51@x"))
    desk.take()
    desk.file()
    erasing(desk).again(erasures.read(erasures.file()))
    left = [row.subject for row in desk.rows() if row.path and row.sender == EVA]
    assert left == ["po čase znovu"]
    (later,) = [row.path for row in desk.rows() if row.subject == "po čase znovu"]
    (desk.home / later).unlink()
    assert [path for path in hits(desk.home) if path.endswith(".eml")] == []
    found = differences(BackupFolder(desk.home), desk.home)
    assert [one.about for one in found if one.kind != "audit"] == [later]
    assert {a["subject"] for a in tables.export()["activities"]} == {
        "oběma", "Bob ji jmenuje", "interní", "porada", "nic s ní", "jiná paní", "kolegyně", "po čase znovu",
    }  # fmt: skip


def test_the_log_keeps_its_length_and_other_lines(desk: Desk) -> None:
    log = ServiceLog(desk.home, UTC, lambda: NOON)
    log.error(LINE)
    log.error("crm bob@beta.example 'jiné' PROCESSED")
    log.error("crm neva@acme.cz 'jiná' PROCESSED")
    file = desk.home / "CRMService.log"
    before = file.read_text("utf-8")
    erased(desk)
    after = file.read_text("utf-8")
    assert len(after.encode()) == len(before.encode())
    assert after.splitlines()[1:] == before.splitlines()[1:]
    assert erasures.pseudonym(EVA)[: len(EVA)] in after.splitlines()[0]
    assert "Popt" not in after.splitlines()[0]


def test_files_of_peoples_own_and_mail_at_its_source_are_told(desk: Desk) -> None:
    (desk.home / "crm.xml").write_text(f'<add key="replyToFrom" value="{EVA}"/>')
    bulk.execute("UPDATE crm_message SET gone = %s", [False])
    plan, _done = erased(desk, backups=["2026-01-01T000000Z"])
    assert (plan.files, plan.on_server, plan.backups) == (["crm.xml"], 8, ["2026-01-01T000000Z"])
    assert models.Message.objects.filter(erased__isnull=False, source_id="").count() == 0


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_a_busy_database_is_told_and_emptied_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    connections["default"].close()
    monkeypatch.setitem(connections["default"].settings_dict["OPTIONS"], "timeout", 0.1)
    plan = erasing(desk).plan(EVA)
    with closing(sqlite3.connect(desk.home / database.FILE, isolation_level=None)) as reader:
        done = erasing(desk).carry_out(plan, "x", "cli")
        assert done.compacted
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM crm_message").fetchone()
        assert not erasing(desk).carry_out(erasing(desk).plan(EVA), "x", "cli").compacted
