"""Domains where anybody has a mailbox: an address there says nothing about a company (SPEC chapter 4)."""

from __future__ import annotations

DOMAINS = frozenset(
    (  # noqa: SIM905 (a list of words reads best as words)
        "gmail.com googlemail.com outlook.com outlook.cz hotmail.com hotmail.cz live.com msn.com yahoo.com yahoo.co.uk "
        "icloud.com me.com mac.com aol.com gmx.com gmx.de gmx.net web.de t-online.de mail.ru yandex.ru proton.me "
        "protonmail.com zoho.com mail.com fastmail.com "
        "seznam.cz email.cz post.cz spoluzaci.cz stream.cz centrum.cz atlas.cz volny.cz tiscali.cz quick.cz iol.cz "
        "azet.sk zoznam.sk centrum.sk post.sk pobox.sk wp.pl o2.pl onet.pl interia.pl"
    ).split()
)
