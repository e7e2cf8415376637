"""The listener of a box on a real store: what is answered with 250 is durable, what is not leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from crmservice.backup.folder import BackupFolder
from crmservice.backup.in_flight import InFlight
from crmservice.config import Box
from crmservice.service.listening import made_of
from crmservice.store import bulk, database, inbox, lease
from tests.service.desk import Desk
from tests.service.running import MAIL, Listen, soon


def said(desk: Desk) -> str:
    return (desk.home / "CRMService.log").read_text(encoding="utf-8")


def files(home: Path) -> list[Path]:
    return [path for path in (home / "POP3Downloads").rglob("*") if path.is_file()]


def test_a_mail_with_its_250_is_in_backup_and_inbox_and_the_worker_is_woken(desk: Desk, listen: Listen) -> None:
    running = listen()
    answer = running.deliver()
    (row,) = desk.rows()
    assert answer == f"250 2.0.0 stored as {row.id}"
    assert (desk.home / row.path).read_bytes() == MAIL
    assert inbox.unconfirmed("crm", "smtp") == {}
    assert running.nudged.is_set()
    assert desk.differences() == []
    desk.file()
    assert desk.logs() == ["PROCESSED"]


def test_a_mail_sent_again_after_a_lost_250_is_a_duplicate(desk: Desk, listen: Listen) -> None:
    running = listen()
    for _ in range(2):
        running.deliver()
    desk.file()
    assert desk.logs() == ["PROCESSED", "DUPLICATE KEY, DELETED"]


def test_mail_stays_with_its_sender_while_the_database_is_away(
    desk: Desk, listen: Listen, tmp_path: Path, company_file: bytes
) -> None:
    away = tmp_path / "away"
    (desk.home / "crmservice.toml").write_text(f'database = "sqlite:///{away}/crm.db"\n')
    running = listen()
    assert running.deliver().startswith("451 4.3.0 ")
    assert files(desk.home) == []
    away.mkdir()
    (away / "crm.db").write_bytes(company_file)
    assert running.deliver().startswith("250 ")
    assert len(files(desk.home)) == 1
    assert "the database is not available: unable to open database file" in said(desk)


def test_a_full_disk_keeps_mail_with_its_sender_and_nothing_half_stored(
    desk: Desk, listen: Listen, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        (desk.home / "POP3Downloads").symlink_to(disk)
        running = listen()
        assert running.deliver(MAIL + b"x" * 300_000 + b"\r\n").startswith("452 4.3.1 ")
        assert files(disk) == []
        assert InFlight(desk.home, "crm/smtp").left() == []
        assert running.deliver().startswith("250 ")
        assert len(desk.rows()) == 1
        assert desk.differences() == []


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "256k") -> Iterator[Path]:
    """A file system of this size."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_what_a_killed_listener_left_is_removed_by_the_next(desk: Desk, listen: Listen) -> None:
    (left,) = BackupFolder(desk.home, InFlight(desk.home, "crm/smtp")).keep([MAIL], date(2026, 11, 25))
    (desk.home / left.path).with_suffix(".eml.tmp").write_bytes(b"half")
    running = listen()
    running.deliver()
    (row,) = desk.rows()
    assert files(desk.home) == [desk.home / row.path]


def test_what_the_worker_has_in_flight_is_its_own(desk: Desk, listen: Listen) -> None:
    (other,) = BackupFolder(desk.home, InFlight(desk.home, "crm")).keep([MAIL], date(2026, 11, 25))
    running = listen()
    running.deliver()
    assert (desk.home / other.path).exists()
    assert InFlight(desk.home, "crm").left() == [other.path]


def test_the_worker_may_hold_the_box_meanwhile(desk: Desk, listen: Listen) -> None:
    held = lease.take("crm")
    assert listen().deliver().startswith("250 ")
    held.renew()
    held.release()


def test_another_listener_of_the_box_takes_nothing(desk: Desk, listen: Listen) -> None:
    held = lease.take("crm/smtp")
    running = listen()
    assert running.deliver().startswith("451 4.3.0 ")
    assert desk.rows() == []
    held.release()
    assert running.deliver().startswith("250 ")


def test_a_lease_that_was_lost_meanwhile_costs_the_sender_a_second_try(desk: Desk, listen: Listen) -> None:
    running = listen()
    running.deliver()
    with database.writing():
        bulk.execute("UPDATE crm_lease SET epoch = epoch + 1 WHERE box = %s", ["crm/smtp"])
    assert running.deliver().startswith("451 4.3.0 ")
    # What that left in the backup is its new owner's to remove.
    assert running.deliver().startswith("250 ")
    assert (len(desk.rows()), len(files(desk.home))) == (2, 2)


def test_a_port_that_is_taken_is_noted_and_waited_for(desk: Desk, listen: Listen) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        running = listen(port)
        noted = soon(lambda: bulk.query("SELECT kind, box, about FROM crm_notice"))
    assert noted == [("smtp-listen", "crm", f"127.0.0.1:{port}")]
    assert running.deliver().startswith("250 ")
    assert f"smtpListen 127.0.0.1:{port} can't be listened at: Address already in use\n" in said(desk)


def test_a_certificate_that_can_not_be_used_is_noted(desk: Desk, listen: Listen, tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    cert.write_text("spoiled")
    desk.box = replace(desk.box, smtp_listen_cert=cert)
    running = listen()
    assert running.deliver().startswith("250 ")
    noted = soon(lambda: bulk.query("SELECT kind, box FROM crm_notice"))
    assert noted == [("smtp-certificate", "crm")]
    assert f"crm smtp: smtpListenCert {cert} can't be used: it must hold a certificate" in said(desk)


def test_what_does_not_concern_the_listener_leaves_it_alone() -> None:
    box = Box("crm", "crm@firma.cz", smtp_listen="127.0.0.1:25")
    assert made_of(box) == made_of(replace(box, poll_seconds=5, ignore_subjects=("x",), error_to="a@b.cz"))
    for changed in (
        replace(box, smtp_listen="127.0.0.1:26"), replace(box, email="x@firma.cz"), replace(box, max_message_bytes=5000),
        replace(box, smtp_listen_cert=Path("/x")), replace(box, allow_insecure=True),
    ):  # fmt: skip
        assert made_of(box) != made_of(changed)


def test_the_lease_is_given_back_at_the_end(desk: Desk, listen: Listen) -> None:
    running = listen()
    running.deliver()
    running.end()
    lease.take("crm/smtp").release()


def test_strangers_can_not_break_the_log_into_lines(desk: Desk, listen: Listen) -> None:
    running = listen()
    sender = running.sender()
    sender.say("MAIL FROM:<a@b.cz>")
    sender.raw("RCPT TO:<x\x1b[2J\u2028\u202e\x85@elsewhere.cz>\r\n".encode())
    sender.reply()
    sender.close()
    running.end()
    text = said(desk)
    assert "\\x1b[2J" in text
    assert all(line.isprintable() for line in text.split("\n"))
