from __future__ import annotations

import pytest

from tests.support.home import Home


def one_fault(home: Home) -> tuple[int, str]:
    result = home.load()
    assert result.boxes == ()
    (fault,) = result.faults
    return fault.line, str(fault.message)


@pytest.mark.parametrize(
    "document",
    [
        '<?xml version="1.0"?>\n<!DOCTYPE c [<!ENTITY x SYSTEM "file:///etc/hostname">]>\n<c>&x;</c>',
        '<?xml version="1.0"?>\n<!DOCTYPE c [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>\n<c>&b;</c>',
        '<?xml version="1.0"?>\n<!DOCTYPE configuration SYSTEM "http://localhost/x.dtd">\n<configuration/>',
    ],
    ids=["external", "bomb", "remote"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_doctype_is_refused_with_its_line(home: Home, document: str, encoding: str) -> None:
    home.raw(document.encode(encoding))
    assert one_fault(home) == (2, "a DOCTYPE is not allowed")


def test_what_is_not_well_formed_is_named_with_its_line(home: Home) -> None:
    home.raw("<configuration>\n<appSettings>\n</configuration>")
    line, message = one_fault(home)
    assert line == 3
    assert "mismatched tag" in message


def test_the_message_never_shows_the_content(home: Home) -> None:
    home.raw('<configuration><appSettings><add key="pop3Password" value="S3CR3T-CANARY-7f></appSettings>')
    assert "S3CR3T" not in str(home.load().faults)


def test_a_file_over_a_megabyte_is_refused(home: Home) -> None:
    home.raw(b"<configuration>" + b" " * 1024 * 1024)
    assert one_fault(home) == (0, "is larger than 1 MB")


@pytest.mark.parametrize("document", ["", "<configuration/>", "<html><body/></html>"])
def test_a_file_without_settings_is_a_fault(home: Home, document: str) -> None:
    home.raw(document)
    assert one_fault(home)[0] == 1


def test_an_unknown_encoding_is_a_fault(home: Home) -> None:
    home.raw('<?xml version="1.0" encoding="klingon-1"?><configuration/>')
    assert "encoding" in one_fault(home)[1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1250", "iso-8859-2"])
def test_czech_is_read_in_each_usual_encoding(home: Home, encoding: str) -> None:
    declared = "utf-8" if encoding == "utf-8-sig" else encoding
    text = (
        f'<?xml version="1.0" encoding="{declared}"?><configuration><appSettings>'
        '<add key="pop3Email" value="crm@firma.cz"/><add key="ignoreSubject" value="Žluťoučký kůň"/>'
        "</appSettings></configuration>"
    )
    home.raw(text.encode(encoding))
    assert home.load().boxes[0].ignore_subjects == ("Žluťoučký kůň",)


def test_an_element_of_another_form_is_a_fault_beside_the_others(home: Home) -> None:
    home.raw(
        "<configuration><appSettings>\n"
        '<add name="pop3Email" value="crm@firma.cz"/>\n'
        '<add key="errorTo" value="nobody"/>\n'
        "</appSettings></configuration>"
    )
    assert [(fault.line, fault.key) for fault in home.load().faults] == [(2, ""), (3, "errorTo"), (0, "pop3Email")]


def test_what_stands_outside_app_settings_does_not_count(home: Home) -> None:
    home.raw(
        '<configuration><startup><add key="rules" value="nonsense"/></startup><appSettings>'
        '<add key="pop3Email" value="crm@firma.cz"/></appSettings><other><appSettings><add/></appSettings></other>'
        "</configuration>"
    )
    assert [box.email for box in home.load().boxes] == ["crm@firma.cz"]
