"""From notices to mail: what waits is put into words, laid into the outbox, and sent, one mail after another.

Each mail is written once, with its Message-ID, and sent until a server took it or refused it for good. While one can't be
sent, no more are written for the same recipient: they gather, and become one digest when its server is back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby

from crmservice.errors import CrmServiceError
from crmservice.microsoft.tokens import TokenError
from crmservice.notices import note, policy, text
from crmservice.notices.channel import Channel, Channels
from crmservice.notices.letter import Letter, Sealed, seal
from crmservice.notices.smtp import WAITS, MailRefused, ServerFault, Session, Token
from crmservice.store import keys, notices, outgoing
from crmservice.store.database import writing
from crmservice.store.notices import Noted
from crmservice.tls import Timeouts
from crmservice.words import Words

KEY = "notice"
CLAIMED = timedelta(minutes=5)
"""After so long a mail is tried again whose sender died over it: longer than a session may take."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)


@dataclass
class Sent:
    """What came of a run: mails that servers took, and what stopped the others."""

    mails: int = 0
    faults: list[Words] = field(default_factory=list)


@dataclass
class Outbox:
    """Tells what waits and sends what is due. ``now`` may jump. ``token``: a box's tokens. ``log``: takes a line."""

    channels: Channels
    speech: text.Speech
    now: Callable[[], datetime]
    token: Callable[[str], Token | None] = lambda _box: None
    log: Callable[[str], None] = lambda _line: None
    waits: Timeouts = WAITS
    stopping: Callable[[], bool] = lambda: False

    def run(self, seconds: float) -> Sent:
        """Tell and send for so long at most. Raises CrmServiceError where the database or the key can't be used."""
        done, until, alive = Sent(), time.monotonic() + seconds, set(self.channels.by_box)
        while not self._over_at(until):
            wrote = self._write()
            sent = self._send(done, alive, until)
            if not (wrote or sent):
                break
        return done

    def send_directly(self, notice: Noted) -> int:
        """Mail this notice past the outbox, to everybody who is told of what is no box's; how many servers took it."""
        made = policy.Plan(notice.kind, (notice,))
        taken = 0
        for channel in self.channels.audience(""):
            try:
                with Session(channel, self.waits, self.token(channel.box)) as session:
                    session.send(channel.recipient, self._sealed(channel, made).raw)
                    taken += 1
            except (CrmServiceError, OSError) as fault:
                self.log(f"a notice could not be sent: {fault}")
        return taken

    def _over_at(self, until: float) -> bool:
        return self.stopping() or time.monotonic() >= until

    def _write(self) -> bool:
        """Put one mail for each audience into the outbox; whether there was anything to tell."""
        if not notices.any_waits():
            return False
        stuck = outgoing.stuck()
        with writing():
            groups: dict[tuple[str, ...], list[Noted]] = {}
            for one in notices.waiting():
                groups.setdefault(tuple(who.recipient for who in self.channels.audience(one.box)), []).append(one)
            told = [self._tell(group, stuck) for group in groups.values()]
        return any(told)

    def _tell(self, waiting: Sequence[Noted], stuck: frozenset[str]) -> bool:
        audience = self.channels.audience(waiting[0].box)
        if not audience:
            self._over(waiting)
            return True
        reached = [one for one in audience if one.recipient not in stuck]
        recipients = {one.recipient for one in audience}
        mailed = [one for one in outgoing.mailed(self.now(), policy.HOUR) if one.recipient in recipients]
        made = policy.plan(waiting, mailed, self.now()) if reached else None
        if made is None:
            return False
        for channel in reached:
            self._put(channel, made)
        notices.told(
            [one.id for one in made.notices], "digested" if made.about == policy.DIGEST else "sent", self.now()
        )
        self._logged(made.notices)
        return True

    def _put(self, channel: Channel, made: policy.Plan[Noted]) -> None:
        mail = self._sealed(channel, made)
        outgoing.add(
            outgoing.New(
                "notice", made.about, channel.box, channel.sender, channel.recipient, mail.message_id, mail.raw
            ),
            self.now(),
        )

    def _sealed(self, channel: Channel, made: policy.Plan[Noted]) -> Sealed:
        letter = Letter(
            channel.sender, channel.recipient, text.subject(made, self.speech), text.text(made, self.speech)
        )
        return seal(letter, keys.secret(KEY), self.now(), self.speech.zone)

    def _over(self, waiting: Sequence[Noted]) -> None:
        """Nobody is to be told by mail: the log has it, and the notices stay to be listed."""
        notices.told([one.id for one in waiting], "over", self.now())
        self._logged(waiting)

    def _logged(self, told: Sequence[Noted]) -> None:
        english = replace(self.speech, translate=str)
        for one in told:
            self.log(f"notice {one.kind}: {text.line(one, english)}")

    def _send(self, done: Sent, alive: set[str], until: float) -> bool:
        """Send what is due, a session for each box's server; whether any mail was sent or refused."""
        due = sorted(outgoing.due(self.now(), alive), key=lambda mail: mail.box)
        before = done.mails + len(done.faults)
        for box, mails in groupby(due, key=lambda mail: mail.box):
            self._session(self.channels.by_box[box], list(mails), until, done, alive)
        return done.mails + len(done.faults) > before

    def _session(
        self, channel: Channel, mails: Sequence[outgoing.Due], until: float, done: Sent, alive: set[str]
    ) -> None:
        left = until - time.monotonic()
        if left <= 0:
            return
        waits = replace(self.waits, session=min(self.waits.session, left))
        try:
            with Session(channel, waits, self.token(channel.box)) as session:
                for mail in mails:
                    if not self._over_at(until) and outgoing.claim(mail, self.now() + CLAIMED):
                        self._one(session, mail, done)
        except (ServerFault, TokenError) as fault:
            alive.discard(channel.box)
            done.faults.append(fault.words)
            attempts = max(mail.attempts for mail in mails)
            outgoing.put_off_all(channel.box, self.now() + pause(attempts + 1), fault.words)

    def _one(self, session: Session, mail: outgoing.Due, done: Sent) -> None:
        try:
            session.send(mail.recipient, mail.raw)
        except MailRefused as fault:
            done.faults.append(fault.words)
            if fault.permanent:
                self._failed(mail, fault)
            else:
                outgoing.put_off(mail, self.now() + pause(mail.attempts + 1), fault.words)
        else:
            done.mails += 1
            outgoing.sent(mail, self.now())

    def _failed(self, mail: outgoing.Due, fault: MailRefused) -> None:
        outgoing.failed(mail, fault.words)
        self.log(str(fault))
        if mail.kind == "notice" and mail.about != "smtp":
            note("smtp", mail.box, mail.recipient, fault=fault.words, what=text.title(mail.about))


def pause(attempts: int) -> timedelta:
    """How long to wait after so many attempts: a minute, doubled each time, an hour at most."""
    return min(FIRST_PAUSE * (1 << min(attempts - 1, 10)), LONGEST_PAUSE)
