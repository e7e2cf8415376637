"""A restored home is as it was at its backup, has every mail that arrived since, and nothing that was erased since."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connections

from crmservice.backup.folder import BackupFolder
from crmservice.backup.in_flight import InFlight
from crmservice.backup.manifest import BadBackup
from crmservice.errors import BadConfiguration, TryLater
from crmservice.service.backing_up import BackUp, Made, snapshots, tell
from crmservice.service.erasing import Done, Erasing
from crmservice.service.fates import Fate
from crmservice.service.restoring import Restore, Restored
from crmservice.service.verifying import differences
from crmservice.store import audit, bulk, database, dump, erasures, holds, inbox, lease, ledger, models, tables
from crmservice.testing.builders import COMPANY, eml
from tests.service.desk import Desk
from tests.store.conftest import empty_sqlite, home, server
from tests.support.home import Home

__all__ = ["empty_sqlite", "home", "server"]

EVA = "eva@acme.cz"
ON_SQLITE = pytest.mark.parametrize("home", ["sqlite"], indirect=True)


class Drill:
    """A company whose home is backed up and restored. Times are today's: an erasure knows when it was."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.target = folder / "backup"
        self.new = folder / "new"
        self.clock = datetime.now(UTC)
        tables.load(COMPANY)
        Home(home).box({"pop3Email": "crm@firma.cz", "emlDir": str(folder)})
        url = f'database = "{_url()}"\n' if database.is_postgresql() else ""
        (home / "crmservice.toml").write_text(f'time_zone = "UTC"\n{url}')
        self.desk = Desk(home, now=self.clock)
        self.file(eml(subject="první", message_id="1@x"), eml(sender=EVA, subject="od Evy", message_id="2@x"))

    def file(self, *mails: bytes) -> None:
        self.desk.put(*mails)
        self.desk.take()
        self.desk.file()

    def back_up(self) -> Made:
        self.clock += timedelta(hours=1)
        return BackUp(self.desk.home, BackupFolder(self.desk.home), self.target, 9, lambda: self.clock).run()

    def erase(self, address: str = EVA, backup_to: Path | None = None) -> Done:
        raw = BackupFolder(self.desk.home)
        work = Erasing(self.desk.home, raw, [self.desk.box], lambda: datetime.now(UTC), backup_to=backup_to)
        return work.carry_out(work.plan(address), "x", "cli")

    def lose(self, *, mail: bool = True) -> None:
        """Lose the home; with ``mail`` False the disk of the raw mail survives."""
        connections.close_all()
        if database.is_postgresql():
            with connections["default"].cursor() as cursor:
                cursor.execute(f"TRUNCATE {', '.join(name for name in database.tables() if name.startswith('crm_'))}")
        if mail:
            shutil.rmtree(self.desk.home)
            self.desk.home.mkdir()
        else:
            for path in self.desk.home.iterdir():
                if path.name != "POP3Downloads":
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def restore(self, source: Path | None = None, to: Path | None = None, *, force: bool = False) -> Restored:
        self.desk.home = to or self.desk.home
        return Restore(source or self.target, self.desk.home, force, lambda: datetime.now(UTC)).run()

    def whole(self) -> bool:
        """The oracle: files, rows, sums, database, audit log."""
        found = [str(one.words) for one in differences(BackupFolder(self.desk.home), self.desk.home)]
        assert found == []
        return True


def _url() -> str:
    known = connections["default"].settings_dict
    return f"postgresql://{known['USER']}@/{known['NAME']}?host={known['HOST']}"


@pytest.fixture
def drill(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Drill:
    return Drill(home, tmp_path_factory.mktemp("drill"))


def test_what_was_lost_whole_is_as_it_was(drill: Drill) -> None:
    """TRUST.md C26."""
    (drill.desk.home / "Config").mkdir()
    (drill.desk.home / "Config" / "crm.password").write_text("geheim")
    audit.append("novak", "cli", "requeue", "1")
    before, counts = tables.export(), ledger.by_box()
    made = drill.back_up()
    drill.lose()
    done = drill.restore()
    assert (done.backup, done.messages, done.mails, done.taken_in, done.differences) == (made.folder.name, 2, 2, 0, ())
    assert (tables.export(), ledger.by_box()) == (before, counts)
    assert (drill.desk.home / "Config" / "crm.password").read_text() == "geheim"
    assert drill.whole()
    assert [entry.action for entry in audit.entries()] == ["restore", "requeue"]
    drill.file(eml(subject="druhá", message_id="3@x"))
    assert [row.subject for row in drill.desk.rows()] == ["první", "od Evy", "druhá"]
    assert drill.whole()


@ON_SQLITE
def test_a_drill_into_another_folder_leaves_the_home_alone(drill: Drill) -> None:
    drill.back_up()
    before, home_before = tables.export(), drill.desk.home
    connections.close_all()
    files = {path: path.read_bytes() for path in home_before.rglob("*") if path.is_file()}
    assert drill.restore(to=drill.new).differences == ()
    assert tables.export() == before
    assert {path: path.read_bytes() for path in home_before.rglob("*") if path.is_file()} == files
    assert drill.whole()


def test_mail_that_arrived_since_and_survived_is_taken_in_and_filed(drill: Drill) -> None:
    """No .eml is lost with the database."""
    drill.back_up()
    drill.file(eml(subject="po záloze", message_id="4@x"), eml(subject="čeká", message_id="5@x"))
    drill.lose(mail=False)
    done = drill.restore(force=True)
    assert (done.mails, done.taken_in, done.differences) == (0, 2, ())
    drill.desk.file()
    assert [row.subject for row in drill.desk.rows()[:2]] == ["první", "od Evy"]
    assert {a["subject"] for a in tables.export()["activities"]} == {"první", "od Evy", "po záloze", "čeká"}
    assert ledger.by_box()["crm"].arrived == 4
    assert drill.whole()


@ON_SQLITE
def test_mail_that_lies_beside_the_backups_is_taken_in_by_an_older_one(drill: Drill) -> None:
    first = drill.back_up()
    drill.file(eml(subject="po první záloze", message_id="4@x"))
    drill.back_up()
    done = drill.restore(first.folder, drill.new)
    assert (done.backup, done.mails, done.taken_in) == (first.folder.name, 2, 1)
    drill.desk.file()
    assert [row.subject for row in drill.desk.rows()] == ["první", "od Evy", "po první záloze"]
    (row,) = models.Message.objects.filter(source="restored")
    assert (row.arrived.date(), row.gone) == (row.day, True)
    assert drill.whole()


def test_what_is_fetched_again_because_its_deletion_was_not_confirmed_is_no_second_activity(drill: Drill) -> None:
    drill.back_up()
    drill.desk.put(eml(subject="ještě na serveru", message_id="6@x"))
    mailbox = dict(drill.desk.shelf)
    drill.desk.take()
    drill.desk.file()
    drill.lose(mail=False)
    drill.restore(force=True)
    drill.desk.file()
    drill.desk.shelf.update(mailbox)
    drill.desk.take()
    drill.desk.file()
    assert drill.desk.logs()[-1] == "DUPLICATE KEY, DELETED"
    assert [a["subject"] for a in tables.export()["activities"]].count("ještě na serveru") == 1


def test_what_was_erased_since_is_erased_again(drill: Drill) -> None:
    """TRUST.md B33."""
    drill.back_up()
    drill.file(eml(sender=EVA, subject="ještě jednou", message_id="7@x"))
    drill.erase()
    drill.lose(mail=False)
    (drill.desk.home / ".crmservice").mkdir()
    done = drill.restore(force=True)
    assert done.erased == {}  # the list was lost with the home, and no backup was made since
    drill.erase()
    drill.back_up()
    first = snapshots(drill.target)[0]
    drill.lose()
    done = drill.restore(first)
    assert (done.erased["message"], done.taken_in) == (1, 0)
    assert [row.subject for row in drill.desk.rows()] == ["první", ""]
    assert models.Message.objects.filter(sender=EVA).count() == 0
    assert drill.whole()


def test_the_backup_folder_knows_of_an_erasure_at_once(drill: Drill) -> None:
    drill.back_up()
    assert drill.erase(backup_to=drill.target).backup_told
    drill.lose()
    done = drill.restore()
    assert (done.erased["message"], done.taken_in) == (1, 0)
    assert models.Message.objects.filter(sender=EVA).count() == 0
    assert drill.whole()


def test_the_backup_folder_is_told_before_anything_goes(drill: Drill) -> None:
    drill.back_up()
    gone = BackupFolder(drill.new)
    raw = BackupFolder(drill.desk.home)
    plan = Erasing(drill.desk.home, raw, [drill.desk.box], lambda: drill.clock).plan(EVA)
    work = Erasing(drill.desk.home, gone, [drill.desk.box], lambda: drill.clock, backup_to=drill.target)
    with pytest.raises(OSError, match="No such file"):
        work.carry_out(replace(plan, found=[replace(one, fate=Fate.REDUCED) for one in plan.found]), "x", "cli")
    assert erasures.read(drill.target / "erasures").addresses.keys() == {erasures.digest(EVA)}


def test_a_backup_folder_that_is_away_stops_no_erasure_and_is_told_by_the_next(drill: Drill) -> None:
    drill.back_up()
    away = drill.target.rename(drill.target.with_name("away"))
    drill.target.mkdir()  # where it is to be mounted
    done = drill.erase(backup_to=drill.target)
    assert done.backup_told is False
    assert json.loads(done.certificate.read_text("utf-8"))["backup_told"] is False
    drill.target.rmdir()
    assert tell(drill.desk.home, drill.target) is False
    away.rename(drill.target)
    assert drill.erase("nobody@acme.cz", backup_to=drill.target).backup_told
    assert erasures.digest(EVA) in erasures.read(drill.target / "erasures").addresses


@ON_SQLITE
def test_the_folder_of_another_service_is_not_written_into(drill: Drill, new_home: Callable[[], Path]) -> None:
    drill.back_up()
    other = new_home()
    erasures.digest("x@y")
    assert tell(other, drill.target) is False
    assert not (drill.target / "holds").exists()


def test_the_backup_folder_keeps_no_address_of_a_hold_that_ended(drill: Drill) -> None:
    drill.back_up()
    holds.hold(EVA, "spor", "x", "cli")
    assert tell(drill.desk.home, drill.target)
    assert EVA in (drill.target / "holds").read_text()
    holds.release(EVA, "x", "cli")
    assert tell(drill.desk.home, drill.target)
    assert EVA not in (drill.target / "holds").read_text()
    drill.restore(force=True)
    assert holds.read() == []


def test_the_list_of_the_home_that_is_replaced_counts_too(drill: Drill) -> None:
    drill.back_up()
    drill.erase()
    done = drill.restore(force=True)
    assert done.erased["message"] == 1
    assert {row.subject for row in drill.desk.rows()} == {"první", ""}
    assert not list((drill.desk.home / "POP3Downloads").rglob("*.eml"))[1:]
    assert erasures.read(erasures.file()).addresses.keys() == {erasures.digest(EVA)}
    assert drill.whole()


@ON_SQLITE
def test_nothing_of_who_was_erased_again_is_left_in_the_databases_free_pages(drill: Drill) -> None:
    drill.back_up()
    drill.erase()
    assert drill.restore(force=True).compacted
    connections.close_all()
    files = {path: path.read_bytes() for path in drill.desk.home.glob(f"{database.FILE}*")}
    assert [path.name for path, data in files.items() if EVA.encode() in data] == []


def test_mail_in_which_somebody_was_blacked_out_is_so_again(drill: Drill) -> None:
    drill.file(eml(f"ptala se {EVA}", sender="bob@beta.example", subject="od Boba", message_id="8@x"))
    first = drill.back_up()
    drill.erase()
    drill.back_up()
    drill.lose()
    drill.restore(first.folder)
    (row,) = [row for row in drill.desk.rows() if row.subject == "od Boba"]
    assert EVA.encode() not in BackupFolder(drill.desk.home).read(row.path)
    (activity,) = [a for a in tables.export()["activities"] if a["subject"] == "od Boba"]
    assert EVA not in activity["body"]
    assert drill.whole()


def test_holds_outlive_the_database_and_those_that_ended_stay_ended(drill: Drill) -> None:
    holds.hold("beta.example", "starý", "x", "cli")
    drill.back_up()
    holds.release("beta.example", "x", "cli")
    holds.hold(EVA, "nový", "x", "cli")
    drill.restore(force=True)
    assert [(one.address, one.reason) for one in holds.read()] == [(EVA, "nový")]
    drill.lose(mail=False)
    drill.restore(force=True)
    assert [one.address for one in holds.read()] == ["beta.example"]


@ON_SQLITE
def test_a_home_that_is_not_empty_is_not_replaced_by_accident(drill: Drill) -> None:
    drill.back_up()
    before = {path: path.read_bytes() for path in drill.desk.home.rglob("*") if path.is_file()}
    with pytest.raises(BadConfiguration, match="is not empty"):
        drill.restore()
    assert {path: path.read_bytes() for path in before} == before


def test_a_database_that_holds_records_is_not_replaced_by_accident(drill: Drill, tmp_path: Path) -> None:
    if not database.is_postgresql():
        url = f'database = "sqlite:///{tmp_path / "elsewhere.db"}"\n'
        (drill.desk.home / "crmservice.toml").write_text(url)
        dump.save(tmp_path / "elsewhere.db")
    drill.back_up()
    with pytest.raises(BadConfiguration, match="holds records"):
        drill.restore(to=drill.new)
    assert len(inbox.list_messages()) == 2


def test_a_home_in_use_is_left_alone(drill: Drill) -> None:
    drill.back_up()
    held = lease.take("crm")
    with pytest.raises(TryLater, match=r"is in use \(crm\)"):
        drill.restore(force=True)
    held.release()
    assert drill.restore(force=True).differences == ()


@ON_SQLITE
def test_another_services_home_is_refused(drill: Drill, new_home: Callable[[], Path]) -> None:
    drill.back_up()
    other = new_home()
    erasures.digest("x@y")
    with pytest.raises(BadConfiguration, match="another service"):
        drill.restore(to=other, force=True)


@ON_SQLITE
def test_a_damaged_backup_is_refused_before_anything_changes(drill: Drill) -> None:
    made = drill.back_up()
    (made.folder / "crmservice.db").write_bytes(b"torn")
    with pytest.raises(BadBackup, match="db was damaged"):
        drill.restore(to=drill.new)
    assert not drill.new.exists()
    with pytest.raises(BadBackup, match="holds no backup"):
        drill.restore(drill.new, drill.new)


@ON_SQLITE
def test_mail_that_is_spoilt_or_missing_in_the_backup_is_told(drill: Drill) -> None:
    drill.back_up()
    first, second = (drill.target / "mail" / row.path for row in drill.desk.rows())
    first.write_bytes(first.read_bytes()[::-1])
    second.unlink()
    done = drill.restore(to=drill.new)
    assert sorted(one.kind for one in done.differences) == ["checksum", "row-without-file"]


@ON_SQLITE
def test_good_copies_replace_what_the_home_has_spoilt(drill: Drill) -> None:
    drill.back_up()
    (path, _other) = (row.path for row in drill.desk.rows())
    (drill.desk.home / path).write_bytes(b"spoilt")
    assert drill.restore(force=True).mails == 1
    assert drill.whole()


@ON_SQLITE
def test_a_restore_that_was_cut_short_is_run_again(drill: Drill) -> None:
    drill.back_up()

    def die(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Restore(drill.target, drill.new, False, lambda: drill.clock, die).run()
    assert drill.restore(to=drill.new, force=True).differences == ()
    assert drill.whole()


@ON_SQLITE
def test_each_mail_goes_to_the_box_that_it_names(drill: Drill) -> None:
    Home(drill.desk.home).box({"pop3Email": "druha@firma.cz", "emlDir": str(drill.target)}, "druha.xml")
    drill.back_up()
    folder = BackupFolder(drill.desk.home, InFlight(drill.desk.home, "crm"))
    folder.keep([eml(delivered_to="druha@firma.cz"), eml(cc="crm@firma.cz"), eml()], drill.clock.date())
    (drill.desk.home / "POP3Downloads" / "old").mkdir()
    (drill.desk.home / "POP3Downloads" / "old" / "x.eml").write_bytes(b"x")
    assert drill.restore(force=True).taken_in == 3
    boxes = bulk.query("SELECT box FROM crm_message WHERE source = 'restored'")
    assert sorted(box for (box,) in boxes) == ["crm", "crm", "druha"]


@ON_SQLITE
def test_a_home_without_boxes_takes_nothing_in(drill: Drill) -> None:
    (drill.desk.home / "crm.xml").unlink()
    drill.back_up()
    BackupFolder(drill.desk.home).keep([eml()], drill.clock.date())
    done = drill.restore(force=True)
    assert (done.taken_in, [one.kind for one in done.differences]) == (0, ["file-without-row"])
