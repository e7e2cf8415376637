"""What a notice says, as plain text in one language: what happened, since when, how often, what is affected, what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from textwrap import fill, indent

from crmservice.notices.kinds import KINDS, LABELS, REASONS, Kind
from crmservice.notices.policy import DIGEST, Plan
from crmservice.store.notices import OTHERS, Noted
from crmservice.words import Translate, Words

MOST_MATTERS = 20
MOST_IN_DIGEST = 5
"""Matters of a kind that are written out; the rest are counted."""

MOST_FACT = 8000
WIDTH = 76


@dataclass(frozen=True, slots=True)
class Speech:
    """How to speak: the language, the clock on the wall, and where the service runs (``host``, ``home``)."""

    translate: Translate
    zone: tzinfo
    host: str
    home: str

    def say(self, words: object) -> str:
        """Words in the language, anything else as a text; what could end a line or steer a terminal is U+FFFD."""
        if not isinstance(words, Words):
            return printable(str(words))
        return "\n".join(printable(line) for line in words.translated(self.translate).split("\n"))

    def time(self, when: datetime) -> str:
        """A time on the wall's clock."""
        return when.astimezone(self.zone).strftime(f"{self.say(Words('%Y-%m-%d'))} %H:%M %Z")


def printable(text: str) -> str:
    """The text with each control character as U+FFFD (TRUST.md B5)."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)


def subject(plan: Plan[Noted], speech: Speech) -> str:
    """Short: the boxes and the kind."""
    boxes = list(dict.fromkeys(one.box for one in plan.notices if one.box))
    names = ", ".join(boxes[:3]) + (", …" if len(boxes) > 3 else "")
    said = speech.say(title(plan.about))
    return printable(f"CRMService{' ' * bool(names)}{names}: {said}")[:150]


def title(about: str) -> Words:
    """What a mail is about, in a few words."""
    return Words("digest of notices") if about == DIGEST else kind_of(about).title


def text(plan: Plan[Noted], speech: Speech) -> str:
    """The whole mail."""
    paragraphs = _digest(plan.notices, speech) if plan.about == DIGEST else _kind(plan.about, plan.notices, speech)
    return "\n\n".join([*paragraphs, _foot(speech)]) + "\n"


def line(one: Noted, speech: Speech) -> str:
    """A notice in one line, for the log."""
    facts = "; ".join(f"{label}: {value}" for label, value in _facts(one, speech))
    said = speech.say(kind_of(one.kind).title)
    return " ".join(filter(None, [one.box, f"{said} ({one.count}×)", facts])).replace("\n", "; ")


def kind_of(code: str) -> Kind:
    """The kind with this code; one that is not in the table says so itself."""
    return KINDS.get(code) or Kind(
        Words("{code}", code=code),
        Words("The service noted something of the kind “{code}”.", code=code),
        Words("See the facts above, and CRMService.log."),
        Words("“crmservice status” shows how the service fares."),
    )


def _kind(code: str, notices: Sequence[Noted], speech: Speech) -> Iterator[str]:
    kind = kind_of(code)
    yield _wrapped(speech.say(kind.happened))
    yield from _matters(notices, speech, MOST_MATTERS)
    yield from _meaning(kind, speech)


def _digest(notices: Sequence[Noted], speech: Speech) -> Iterator[str]:
    yield _wrapped(speech.say(Words(
        "More happened than is mailed one by one: one mail an hour of a kind, ten an hour in all. This is the rest, or what"
        " gathered while the mail server was away."
    )))  # fmt: skip
    for code, _count in Counter(one.kind for one in notices).most_common():
        kind = kind_of(code)
        head = speech.say(kind.title)
        yield f"{head[:1].upper()}{head[1:]}\n{'-' * len(head)}"
        yield from _matters([one for one in notices if one.kind == code], speech, MOST_IN_DIGEST)
        yield from _meaning(kind, speech)


def _matters(notices: Sequence[Noted], speech: Speech, most: int) -> Iterator[str]:
    """Each matter as lines of label and value; those beyond the most, and those without a row, counted."""
    rows = [one for one in notices if one.about != OTHERS]
    for one in rows[:most]:
        yield _lines(_facts(one, speech))
    left = sum(one.count for one in rows[most:]) + sum(one.count for one in notices if one.about == OTHERS)
    if left:
        yield speech.say(Words("… and this {n} times more.", n=left))


def _facts(one: Noted, speech: Speech) -> Iterator[tuple[str, str]]:
    if one.box:
        yield speech.say(Words("Box")), printable(one.box)
    if one.about and (one.kind not in KINDS or not one.facts):
        yield speech.say(Words("About")), printable(one.about)
    for name, value in one.facts.items():
        if value != "":
            said = REASONS.get(str(value), value) if name == "reason" else value
            yield speech.say(LABELS.get(name, name)), speech.say(said)[:MOST_FACT]
    once = one.count == 1 and one.last - one.since < timedelta(minutes=1)
    yield speech.say(Words("When") if once else Words("Since")), speech.time(one.since)
    if not once:
        yield speech.say(Words("Last")), speech.time(one.last)
    often = (
        Words("{n}× since the last notice, which was at {time}", n=one.count, time=speech.time(one.told))
        if one.told
        else f"{one.count}×"
    )
    yield speech.say(Words("How often")), speech.say(often)


def _lines(facts: Iterable[tuple[str, str]]) -> str:
    known = list(facts)
    width = max(len(label) for label, _value in known) + 2
    return "\n".join(f"{label + ':':<{width}}{indent(value, ' ' * width).lstrip()}" for label, value in known)


def _meaning(kind: Kind, speech: Speech) -> Iterator[str]:
    yield _headed(Words("What is affected"), kind.affected, speech)
    yield _headed(Words("What to do"), kind.advice, speech)


def _headed(head: Words, sentence: Words, speech: Speech) -> str:
    return f"{speech.say(head)}:\n{_wrapped(speech.say(sentence))}"


def _foot(speech: Speech) -> str:
    foot = Words(
        "This mail is written by CRMService on {host} (home folder {home}). “crmservice status” shows how it fares.",
        host=speech.host, home=speech.home,
    )  # fmt: skip
    return f"-- \n{_wrapped(speech.say(foot))}"


def _wrapped(sentence: str) -> str:
    return fill(sentence, WIDTH, break_long_words=False, break_on_hyphens=False)
