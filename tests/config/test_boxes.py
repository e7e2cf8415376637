from __future__ import annotations

from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from crmservice.config import Box, Endpoint, Login, Secret
from crmservice.config.boxes import KEYS
from tests.support.home import Home


def only(home: Home, keys: dict[str, str | list[str]]) -> Box:
    result = home.load(keys)
    assert result.faults == ()
    (box,) = result.boxes
    return box


EVERY_KEY: dict[str, tuple[str | list[str], str, object]] = {
    "rootPath": ("/srv/netgenium", "root_path", Path("/srv/netgenium")),
    "timeZone": ("Europe/Prague", "zone", ZoneInfo("Europe/Prague")),
    "smtpServer": ("smtp.firma.cz:587", "smtp", Endpoint("smtp.firma.cz", 587, "starttls")),
    "smtpName": ("robot", "smtp_login", Login("robot")),
    "smtpPassword": ("pw", "smtp_login", Login("crm@firma.cz", Secret("pw"))),
    "errorFrom": ("CRMService@firma.cz", "error_from", "crmservice@firma.cz"),
    "errorTo": ("support@firma.cz", "error_to", "support@firma.cz"),
    "pop3Email": ("Crm@Firma.CZ", "email", "crm@firma.cz"),
    "ourDomains": (["Firma.sk", "@firma.eu"], "our_domains", frozenset({"firma.cz", "firma.sk", "firma.eu"})),
    "emlDir": ("/srv/eml", "eml_dir", Path("/srv/eml")),
    "saveOriginalsFrom": (["abc@firma.cz", "DEF@firma.cz"], "save_originals_from", {"abc@firma.cz", "def@firma.cz"}),
    "saveIncomingAsPending": ("True", "save_incoming_as_pending", True),
    "ignoreSubject": (["Výpis z účtu", "[spam]"], "ignore_subjects", ("Výpis z účtu", "[spam]")),
    "imapFolder": ("Přijaté/CRM", "imap_folder", "Přijaté/CRM"),
    "smtpListen": ("127.0.0.1:2525", "smtp_listen", "127.0.0.1:2525"),
    "smtpListenNetworks": (["10.0.0.0/8", "192.0.2.1"], "smtp_listen_networks", ("10.0.0.0/8", "192.0.2.1/32")),
    "rules": ("safe", "rules", "safe"),
    "internalMail": ("private", "internal_mail", "private"),
    "bulkMail": ("list", "bulk_mail", "list"),
    "onlyKnownSenders": ("true", "only_known_senders", True),
    "neverFile": (["lekar@nemocnice.cz", "odbory.cz"], "never_file", {"lekar@nemocnice.cz", "odbory.cz"}),
    "journal": ("TRUE", "journal", True),
    "replyToFrom": ("web@firma.cz", "reply_to_from", {"web@firma.cz"}),
    "serviceSenders": ("robot@firma.cz", "service_senders", {"robot@firma.cz"}),
    "authservId": (["MX.firma.cz", "microsoft"], "authserv_ids", ("mx.firma.cz", "microsoft")),
    "pollSeconds": ("60", "poll_seconds", 60),
    "allowInsecure": ("true", "allow_insecure", True),
    "maxMessageBytes": ("1000000", "max_message_bytes", 1_000_000),
}
TRIED_ELSEWHERE = {
    "stopFrom", "stopTo", "pop3Url", "pop3Name", "pop3Password", "pop3OAuth", "imapUrl", "imapName", "imapPassword",
    "imapOAuth", "smtpOAuth", "graphMailbox", "tlsCaFile", "smtpListenCert", "smtpListenKey",
}  # fmt: skip


@pytest.mark.parametrize("key", EVERY_KEY)
def test_each_key_fills_its_field(home: Home, key: str) -> None:
    value, field, expected = EVERY_KEY[key]
    assert getattr(only(home, {key: value}), field) == expected


def test_no_key_goes_untried() -> None:
    assert set(EVERY_KEY) | TRIED_ELSEWHERE == set(KEYS)


def test_a_box_of_one_key_has_the_documented_defaults(home: Home) -> None:
    box = only(home, {})
    assert (box.name, box.email, box.root_path, box.our_domains) == (
        "crm", "crm@firma.cz", home.folder, frozenset({"firma.cz"}),
    )  # fmt: skip
    assert (box.rules, box.poll_seconds, box.max_message_bytes, box.allow_insecure) == (
        "manual",
        300,
        52_428_800,
        False,
    )


def test_the_manuals_example_is_read_with_warnings_alone(home: Home) -> None:
    home.raw(
        """<?xml version="1.0" encoding="utf-8" ?>
<configuration>
  <appSettings>
    <add key="rootPath" value="C:\\inetpub\\wwwroot\\netgenium" />
    <add key="stopFrom" value="00:00" />
    <add key="stopTo" value="06:00" />
    <add key="smtpServer" value="localhost" />
    <add key="errorFrom" value="crmservice@firma.cz" />
    <add key="errorTo" value="support@firma.cz" />
    <add key="pop3Url" value="pop3.firma.cz" />
    <add key="pop3Email" value="crm@firma.cz" />
    <add key="pop3Name" value="crm@firma.cz" />
    <add key="pop3Password" value="pop3heslo" />
    <add key="emlDir" value="D:\\Services\\CRMService\\eml" />
    <add key="saveOriginalsFrom" value="abc@firma.cz" />
    <add key="saveIncomingAsPending" value="false" />
  </appSettings>
</configuration>"""
    )
    result = home.load()
    assert result.faults == ()
    (box,) = result.boxes
    assert box.pop3 == Endpoint("pop3.firma.cz", 110, "starttls")
    assert box.pop3_login == Login("crm@firma.cz", Secret("pop3heslo"))
    assert box.smtp == Endpoint("localhost", 25, "plain")
    assert (box.stop_from, box.stop_to) == (time(0), time(6))
    assert [(warning.key, warning.line) for warning in result.warnings] == [("rootPath", 4), ("emlDir", 14)]
    assert (box.root_path, box.eml_dir) == (home.folder, None)


def test_every_fault_of_every_file_is_reported_with_its_line(home: Home) -> None:
    home.box({"pop3Email": "crm.firma.cz", "stopFrom": "25:00", "stopTo": "6", "rules": "save"}, "a.xml")
    home.box({"pop3Url": "mail.firma.cz", "errorTo": "nobody", "timeZone": "Europe/Praha"}, "b.xml")
    home.box({"pop3Email": "fine@firma.cz"}, "c.xml")
    result = home.load()
    assert [box.name for box in result.boxes] == ["c"]
    assert {(fault.file.name, fault.line, fault.key) for fault in result.faults} == {
        ("a.xml", 4, "pop3Email"), ("a.xml", 5, "stopFrom"), ("a.xml", 6, "stopTo"), ("a.xml", 7, "rules"),
        ("b.xml", 0, "pop3Email"), ("b.xml", 0, "pop3Password"), ("b.xml", 5, "errorTo"), ("b.xml", 6, "timeZone"),
    }  # fmt: skip


def test_a_wrong_word_and_a_wrong_zone_name_the_nearest(home: Home) -> None:
    messages = " ".join(str(fault) for fault in home.load({"rules": "save", "timeZone": "Europe/Pragu"}).faults)
    assert "did you mean safe?" in messages
    assert "did you mean Europe/Prague?" in messages


@pytest.mark.parametrize(
    ("written", "meant"),
    [("pop3email", "pop3Email"), ("pop30Auth", "pop3OAuth"), ("saveOrginalsFrom", "saveOriginalsFrom")],
)
def test_an_unknown_key_is_a_warning_that_names_the_nearest(home: Home, written: str, meant: str) -> None:
    result = home.load({written: "x"})
    assert len(result.boxes) == 1
    (warning,) = [warning for warning in result.warnings if warning.key == written]
    assert (warning.line, str(warning.advice)) == (5, f"did you mean {meant}?")


def test_an_empty_value_is_as_good_as_none(home: Home) -> None:
    box = only(home, {"pop3Url": "", "stopFrom": " ", "errorTo": ""})
    assert (box.pop3, box.stop_from, box.error_to) == (None, None, "")


def test_half_a_pause_is_a_fault(home: Home) -> None:
    assert [fault.key for fault in home.load({"stopFrom": "01:00"}).faults] == ["stopTo"]


def test_a_key_given_twice_with_two_values_is_a_fault(home: Home) -> None:
    assert [fault.key for fault in home.load({"rules": ["manual", "safe"]}).faults] == ["rules"]


def test_a_key_given_twice_alike_is_a_warning(home: Home) -> None:
    result = home.load({"rules": ["safe", "safe"], "emlDir": "/srv/eml"})
    assert [warning.key for warning in result.warnings] == ["rules"]
    assert result.boxes[0].safe


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"pop3Url": "mail.firma.cz"}, Endpoint("mail.firma.cz", 110, "starttls")),
        ({"pop3Url": "mail.firma.cz:110"}, Endpoint("mail.firma.cz", 110, "starttls")),
        ({"pop3Url": "mail.firma.cz:995"}, Endpoint("mail.firma.cz", 995, "tls")),
        ({"pop3Url": "mail.firma.cz:4711"}, Endpoint("mail.firma.cz", 4711, "tls")),
        ({"pop3Url": "localhost"}, Endpoint("localhost", 110, "plain")),
        ({"pop3Url": "127.0.0.1:110"}, Endpoint("127.0.0.1", 110, "plain")),
        ({"pop3Url": "127.0.0.1:4711"}, Endpoint("127.0.0.1", 4711, "tls")),
        ({"pop3Url": "[::1]:110"}, Endpoint("::1", 110, "plain")),
        ({"pop3Url": "mail.firma.cz", "allowInsecure": "true"}, Endpoint("mail.firma.cz", 110, "plain")),
        ({"pop3Url": "mail.firma.cz:4711", "allowInsecure": "true"}, Endpoint("mail.firma.cz", 4711, "tls")),
    ],
)
def test_pop3_url_decides_port_and_security(home: Home, keys: dict[str, str | list[str]], expected: Endpoint) -> None:
    assert only(home, {**keys, "pop3Password": "pw"}).pop3 == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mail.firma.cz", Endpoint("mail.firma.cz", 993, "tls")),
        ("mail.firma.cz:143", Endpoint("mail.firma.cz", 143, "starttls")),
        ("localhost:143", Endpoint("localhost", 143, "plain")),
        ("localhost:4711", Endpoint("localhost", 4711, "tls")),
    ],
)
def test_imap_url_decides_port_and_security(home: Home, url: str, expected: Endpoint) -> None:
    assert only(home, {"imapUrl": url, "imapPassword": "pw"}).imap == expected


@pytest.mark.parametrize(
    "url", ["pop3s://mail.firma.cz", "mail.firma.cz:", "mail.firma.cz:0", "mail.firma.cz:70000", "a b", "x:y", "[::1", "mail..cz"]
)  # fmt: skip
def test_a_bad_server_is_a_fault(home: Home, url: str) -> None:
    assert [fault.key for fault in home.load({"pop3Url": url, "pop3Password": "pw"}).faults] == ["pop3Url"]


@pytest.mark.parametrize(
    "email", ["", "@firma.cz", "crm@", "crm@a@b", "crm @firma.cz", "Crm <crm@firma.cz>", "crm@fir ma"]
)
def test_a_bad_address_is_a_fault(home: Home, email: str) -> None:
    result = home.load({"pop3Email": email})
    assert [fault.key for fault in result.faults] == ["pop3Email"]


def test_a_relative_import_folder_is_left_out_with_a_warning(home: Home) -> None:
    result = home.load({"emlDir": "eml"})
    assert [warning.key for warning in result.warnings] == ["emlDir", "pop3Url"]
    assert result.boxes[0].eml_dir is None


def test_the_zone_of_a_box_defaults_to_the_settings(home: Home) -> None:
    home.raw('time_zone = "Asia/Tokyo"', "crmservice.toml")
    assert only(home, {}).zone == ZoneInfo("Asia/Tokyo")


def test_a_second_reader_of_a_mailbox_is_left_out(home: Home) -> None:
    keys: dict[str, str | list[str]] = {"pop3Url": "Mail.firma.cz", "pop3Name": "Crm", "pop3Password": "pw"}
    home.box({**keys, "pop3Email": "crm@firma.cz"}, "a.xml")
    home.box({**keys, "pop3Email": "other@firma.cz", "pop3Name": "crm"}, "b.xml")
    result = home.load()
    assert [box.name for box in result.boxes] == ["a"]
    assert [(fault.file.name, fault.key) for fault in result.faults] == [("b.xml", "pop3Url")]


def test_a_box_with_a_fault_is_known_as_far_as_it_can_be_read_to_tell_its_error_to(home: Home) -> None:
    found = home.load({"stopFrom": "25:00", "errorTo": "spravce@firma.cz", "smtpServer": "mail.firma.cz"})
    assert found.boxes == ()
    assert [(box.name, box.error_to) for box in found.broken] == [("crm", "spravce@firma.cz")]
    home.raw("<configuration><appSettings>")
    assert home.load().broken == ()


def test_two_boxes_of_one_address_run_with_a_warning(home: Home) -> None:
    home.box({"pop3Email": "crm@firma.cz", "emlDir": "/srv/a"}, "a.xml")
    home.box({"pop3Email": "crm@firma.cz", "emlDir": "/srv/b"}, "b.xml")
    result = home.load()
    assert [box.name for box in result.boxes] == ["a", "b"]
    assert [(warning.file.name, warning.key) for warning in result.warnings] == [("b.xml", "pop3Email")]


def test_an_import_folder_has_one_reader(home: Home) -> None:
    home.box({"pop3Email": "a@firma.cz", "emlDir": "/srv/eml"}, "a.xml")
    home.box({"pop3Email": "b@firma.cz", "emlDir": "/srv/eml"}, "b.xml")
    result = home.load()
    assert [box.eml_dir for box in result.boxes] == [Path("/srv/eml"), None]
    assert [warning.key for warning in result.warnings] == ["emlDir"]


def test_a_home_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    assert [str(fault.message) for fault in Home(tmp_path / "gone").load().faults] == [
        "can't be read: No such file or directory"
    ]


def test_other_files_of_the_home_are_no_boxes(home: Home) -> None:
    home.raw("x", "crmservice.toml.bak")
    (home.folder / "folder.xml").mkdir()
    assert home.load() == home.load({"pop3Email": ""}).__class__((), (), ())


def test_tls_ca_file_must_be_there(home: Home) -> None:
    there = home.raw("ca", "ca.pem")
    assert only(home, {"tlsCaFile": str(there)}).tls_ca_file == there
    assert [fault.key for fault in home.load({"tlsCaFile": "/nowhere/ca.pem"}).faults] == ["tlsCaFile"]


def test_a_certificate_to_listen_with_must_be_there(home: Home) -> None:
    there = home.raw("pem", "cert.pem")
    box = only(home, {"smtpListen": "0.0.0.0:25", "smtpListenNetworks": "10.0.0.0/8", "smtpListenCert": str(there)})
    assert (box.smtp_listen_cert, box.smtp_listen_key) == (there, None)
    faults = home.load({"smtpListen": "0.0.0.0:25", "smtpListenNetworks": "10.0.0.0/8", "smtpListenCert": "/no"}).faults
    assert [(fault.key, str(fault.message)) for fault in faults] == [("smtpListenCert", "there is no file '/no'")]


def test_a_key_to_listen_with_is_nothing_without_its_certificate(home: Home) -> None:
    key = home.raw("pem", "key.pem")
    (fault,) = home.load({"smtpListen": "127.0.0.1:2525", "smtpListenKey": str(key)}).faults
    assert (fault.key, str(fault.message)) == ("smtpListenCert", "is missing, but smtpListenKey is given")


@pytest.mark.parametrize(
    ("listening", "networks", "insecure", "fine"),
    [
        ("0.0.0.0:25", "10.0.0.0/8", "false", False),
        ("[::]:25", "2001:db8::/32", "false", False),
        ("0.0.0.0:25", "0.0.0.0/0", "false", False),
        ("0.0.0.0:25", "10.0.0.0/8", "true", True),
        ("0.0.0.0:25", "127.0.0.0/8", "false", True),
        ("127.0.0.1:25", "10.0.0.0/8", "false", True),
        ("localhost:25", "10.0.0.0/8", "false", True),
    ],
)
def test_other_machines_deliver_with_tls_unless_allowed(
    home: Home, listening: str, networks: str, insecure: str, fine: bool
) -> None:
    keys: dict[str, str | list[str]] = {"smtpListen": listening, "smtpListenNetworks": networks}
    faults = home.load({**keys, "allowInsecure": insecure}).faults
    assert [fault.key for fault in faults] == ([] if fine else ["smtpListenCert"])
