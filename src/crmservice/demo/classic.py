"""The second box with ``rules=manual``: how the original behaved, beside settings that the first box has not."""

from __future__ import annotations

from dataclasses import replace

from crmservice.demo.letter import Letter
from crmservice.demo.people import BLAHA, CLASSIC_BOX, HORAK, KOVAR, KRALOVA, MALY, SIMEK, STRANGER, TEREZA, VESELY
from crmservice.demo.sample import CLASSIC, PROCESSED, Post, Sample


def samples(post: Post) -> list[Sample]:
    """The second box's mail, in the order of its arrival."""
    return [_of(post, *row) for row in (*_filed(), *_skipped())]


_Row = tuple[Letter, tuple[str, str], tuple[str, ...], str]


def _of(post: Post, letter: Letter, shows: tuple[str, str], log: tuple[str, ...], rule: str) -> Sample:
    # This box names no server of ours that verifies senders (authservId), so its mail carries no such header.
    return post.sample(replace(letter, verified=False), shows, log, rule, CLASSIC)


def _filed() -> list[_Row]:
    return [
        (Letter("etikety", KOVAR, VESELY, "Etikety na rosé", "Dobrý den, kdy budou etikety?\n\nKovář\n", day=4, at="08:10"), (
            "saveIncomingAsPending: the mail is due until somebody completes it.",
            "saveIncomingAsPending: e-mail čeká, dokud ho někdo nevyřídí."), PROCESSED, "incoming"),
        (Letter("etikety-odpoved", VESELY, KOVAR, "Re: Etikety na rosé (zak: 2026-03 Dokumentace)",
                "Dobrý den, v pátek.\n\nMartin Veselý\n", day=4, at="09:00", cc=CLASSIC_BOX), (
            "The manual's own case: sender of ours, box in copy, marker in the subject.",
            "Případ z příručky: náš odesílatel, schránka v kopii, značka v předmětu."), PROCESSED, "outgoing"),
        (Letter("reditel-zakaznikovi", HORAK, f"{BLAHA}, {SIMEK}", "Poděkování za spolupráci", "Děkujeme.\n\nHorák\n", day=4), (
            "Without markers the scope is the level of the sender's role.",
            "Bez značek určuje rozsah úroveň role odesílatele."), PROCESSED, "outgoing"),
    ]  # fmt: skip


def _skipped() -> list[_Row]:
    return [
        (Letter("odpoved-vsem-klasik", TEREZA, VESELY, "Re: Etikety na rosé", "Souhlasíme.\n\nTereza\n", day=4, at="10:00",
                cc=CLASSIC_BOX), (
            "What the original lost: a customer's reply to all. rules=safe files it (see the other box).",
            "O co původní služba přišla: odpověď zákaznice všem. rules=safe ji založí (viz druhá schránka)."), ("DELETED",), "unfiled"),
        (Letter("problem-od-zakaznika", SIMEK, MALY, "Problém č. 4 - mapa", "Dobrý den, nejde mapa.\n\nŠimek\n", day=4, at="10:30"), (
            "Here a customer's “Problém č. 4” is an invalid task, as it was.",
            "Tady je „Problém č. 4“ od zákazníka neplatný úkol, jak tomu bylo."), ("INVALID TASK", "DELETED"), "problem"),
        (Letter("mezi-nami", KRALOVA, f"{HORAK}, {MALY}", "Oběd", "Jdeme v 11:30?\n", day=4, at="10:45"), (
            "internalMail=skip: mail among colleagues is left out.",
            "internalMail=skip: pošta mezi kolegy se vynechá."), ("INTERNAL MAIL", "DELETED"), "internal_mail"),
        (Letter("cizi-clovek", STRANGER, VESELY, "Nabídka reklamních předmětů", "Tužky, hrnky, deštníky.\n", day=4, at="11:00"), (
            "onlyKnownSenders: people in no address book go to a list of their own.",
            "onlyKnownSenders: lidé, které nikdo nezná, jdou na vlastní seznam."), ("UNKNOWN SENDER", "DELETED"), "bulk"),
        (Letter("nikomu", BLAHA, "podatelna@horizont.example", "Žádost", "Prosím o potvrzení.\n\nBláha\n", day=4, at="11:30"), (
            "To an address that is nobody's: kept in the list of messages.",
            "Na adresu, která nikomu nepatří: zůstane v seznamu zpráv."), ("DELETED",), "unfiled"),
    ]  # fmt: skip
