"""Codes of the trail as sentences for people. A code without a sentence of its own is shown as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crmservice.cli.words import _

SENTENCES: Mapping[str, str] = {
    "own-hmac": "one of our own notices came back",
    "no-own-hmac": "no notice of ours",
    "own-hmac-old": "a notice of ours from more than 30 days ago: anybody may have kept it",
    "key-unknown": "no earlier message has this date, sender, recipients and subject",
    "key-collision": "an earlier message has the same key, but neither its Message-ID nor its text",
    "same-key": "the same message arrived before",
    "new-recipient": "the same message arrived before, but not for everybody whom this copy names",
    "subject-other": "the subject does not begin so",
    "sender-foreign": "the sender is not of our domains",
    "sender-not-verified": "nobody vouches for the sender",
    "facts-missing": "facts are missing: {missing}",
    "task-created": "task {task} was made",
    "task-updated": "task {task} was brought up to date",
    "sender-unusable": "the sender can't be used ({problem})",
    "sent-to-self": "the only recipient is the sender",
    "addresses-usable": "the sender {sender} can be used",
    "bounce-without-sender": "a delivery report needs no sender",
    "system-sender": "{address} is a system",
    "sender-other": "the sender is no system",
    "automatic-notice": "an automatic notice for colleagues",
    "sentence-missing": "the sentence of automatic notices is missing",
    "foreign-or-reply": "a reply, or not of our domains",
    "subject-ignored": "the subject contains “{value}”",
    "nothing-ignored": "no subject is ignored here",
    "reply-or-forward": "a reply or a forward of such mail",
    "listed": "an address that is never filed takes part",
    "listed-by-users": "it is never filed for {count} users, by lists of their own",
    "listed-by-all": "it is never filed for whomever it would be filed for",
    "taken-from-users": "taken from users who list somebody who takes part ({by})",
    "nobody-listed": "nobody takes part whose mail is never filed",
    "no-own-rule": "there are no rules of your own",
    "no-own-rule-fits": "none of your own rules fits",
    "own-rule": "your own rule {name}",
    "not-skipped": "mail among colleagues is not skipped here ({setting})",
    "colleagues-only": "only colleagues take part",
    "somebody-outside": "somebody outside takes part",
    "bulk-header": "the header {header} says bulk mail",
    "in-no-address-book": "the sender is in no address book",
    "not-kept-apart": "neither bulk mail nor a stranger to be kept apart",
    "asked-for-no-mail": "{address} asks for no more mail",
    "our-own-address": "{address} is our own",
    "no-sender": "there is no sender",
    "report": "a delivery report: {dead} marked as broken",
    "no-report": "no delivery report",
    "temporary": "delivery is delayed or was given up for now",
    "sender-may-not": "the sender may make no task",
    "automatic-reply": "an automatic reply makes no task",
    "no-calendar": "no invitation inside",
    "number-unknown": "nobody has the number {numbers}",
    "no-marker": "no marker, and no thread that is filed",
    "assigned": "assigned: {facts}",
    "box-among-recipients": "the technology box is among the recipients: outgoing",
    "sender-outside": "the sender is not of our domain: incoming",
    "sender-ours": "from our domain to others: outgoing",
    "colleague-to-colleague": "a colleague to one colleague: incoming",
    "forwarded-by-hand": "forwarded by hand: incoming",
    "is-outgoing": "the mail is outgoing",
    "nobody-is-user": "no recipient is a user",
    "filed": "filed for {responsible}",
    "named": "filed for {responsible}, whom a person named",
    "undone": "taken back by {by}, {at}",
    "undone-in-part": "taken back in part by {by}, {at}",
    "is-duplicate": "the message was filed before",
    "sender-no-user": "the sender is no user",
    "no-user": "the mail concerns no user",
    "limit-exceeded": "beyond the limits of what is read: {limits}",
    "mail-inside": "{forwarder} forwarded it by hand",
    "died-twice": "reading it ended the service twice",
    "broke-the-reader": "it can't be read ({fault})",
    "oversized": "larger than maxMessageBytes; it stays where it is",
}

FACTS: Mapping[str, str] = {
    "contract": "contract {value}",
    "order": "order {value}",
    "task": "task {value}",
    "type": "type {value}",
    "scope": "scope {value}",
    "suggested": "as a suggestion {value}",
    "unknown": "nobody has {value}",
}
"""What an assignment found, by its name."""


def sentence(step: Mapping[str, Any]) -> str:
    """What a step of the trail says, in the language in use."""
    template = SENTENCES.get(step["code"])
    if template is None:
        return str(step["code"])
    evidence = {name: _plain(value) for name, value in step["evidence"].items()}
    facts = ", ".join(_(FACTS[name]).format(value=value) for name, value in evidence.items() if name in FACTS)
    return _(template).format_map(_Known(evidence | {"facts": facts}))


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


class _Known(dict[str, str]):
    """Names that the evidence lacks are shown as a dash."""

    def __missing__(self, key: str) -> str:
        return "–"
