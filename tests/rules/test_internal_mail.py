"""Rule 6b and ``internalMail``: mail among colleagues."""

from __future__ import annotations

import pytest

from crmservice.testing.builders import Office, decided, eml

COLLEAGUES = eml(sender="novak@firma.cz", to="svoboda@firma.cz")


def test_skip_leaves_mail_among_colleagues_out() -> None:
    assert decided(COLLEAGUES, internal_mail="skip").log == ("INTERNAL MAIL", "DELETED")


def test_the_box_is_a_colleague() -> None:
    raw = eml(sender="novak@firma.cz", to="svoboda@firma.cz", cc="crm@firma.cz")
    assert decided(raw, internal_mail="skip").log == ("INTERNAL MAIL", "DELETED")


def test_every_domain_of_ours_counts() -> None:
    raw = eml(sender="novak@firma.cz", to="someone@firma.sk")
    ours = frozenset({"firma.cz", "firma.sk"})
    assert decided(raw, internal_mail="skip", our_domains=ours).log == ("INTERNAL MAIL", "DELETED")
    assert decided(raw, internal_mail="skip").log == ("PROCESSED",)


@pytest.mark.parametrize(
    "raw",
    [
        eml(sender="novak@firma.cz", to="svoboda@firma.cz", cc="jana@acme.cz"),
        eml(sender="novak@firma.cz", to="svoboda@firma.cz", bcc="jana@acme.cz"),
        eml(to="svoboda@firma.cz"),
        eml(sender="externi@partner.example", to="svoboda@firma.cz"),
    ],
)
def test_somebody_outside_makes_it_business(raw: bytes) -> None:
    assert decided(raw, internal_mail="skip").log == ("PROCESSED",)


def test_file_is_the_default() -> None:
    assert decided(COLLEAGUES).log == ("PROCESSED",)


def test_private_files_it_without_scope() -> None:
    office = Office(internal_mail="private")
    office.receive(COLLEAGUES, eml(to="svoboda@firma.cz"))
    assert [filed.scope for filed in office.filed] == ["p-", "p2"]


def test_private_wins_over_a_marker() -> None:
    office = Office(internal_mail="private")
    office.receive(eml(sender="novak@firma.cz", to="svoboda@firma.cz", subject="Contract:123 p3"))
    assert (office.filed[0].scope, office.filed[0].contract) == ("p-", "123")
