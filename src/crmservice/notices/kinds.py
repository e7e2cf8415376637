"""The kinds of notices: what each says happened, what is affected, and what to do. Sentences are translated when sent.

What is particular to one notice (which file, which fault) are its facts, shown by their labels below the sentences.
A kind that is not listed is sent all the same, with its code and its facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crmservice.words import Words


@dataclass(frozen=True, slots=True)
class Kind:
    """``title``: a few words for the subject; ``happened``, ``affected``, ``advice``: sentences."""

    title: Words
    happened: Words
    affected: Words
    advice: Words


KINDS: Mapping[str, Kind] = {
    "box-failing": Kind(
        Words("mail can't be fetched"),
        Words("A technology box could not be read."),
        Words("New mail of this box is not filed. It waits at its source and is not lost. The other boxes go on."),
        Words(
            "See what the fault says. “crmservice check” tries every source and gives advice. The service keeps trying"
            " by itself; you need not restart it."
        ),
    ),
    "box-file": Kind(
        Words("a box's file has a fault"),
        Words("The file of a technology box can't be used as it stands."),
        Words(
            "A running service goes on by the last good state of this box; once it is restarted, the box stands still"
            " and its mail waits at its source. The other boxes go on."
        ),
        Words(
            "Correct the file at the place named; “crmservice check” shows every fault at once. The service takes the"
            " corrected file up by itself."
        ),
    ),
    "unknown-key": Kind(
        Words("an unknown key in a box's file"),
        Words("The file of a technology box holds a key that the service does not know and ignores."),
        Words("The box runs, without what this key was meant to say."),
        Words("Correct the key's spelling, or remove it. You are told once for each change of the file."),
    ),
    "box-lease": Kind(
        Words("another process works on the box"),
        Words("Another process holds this technology box, so this one leaves it alone."),
        Words("Nothing is filed twice. The box's mail is filed by the other process, as long as that works."),
        Words("If two services run on purpose, stop one of them. If not, end the process that is named."),
    ),
    "set-aside": Kind(
        Words("a mail was set aside"),
        Words("A mail could not be filed and was set aside."),
        Words(
            "This mail is not in the CRM. It is kept as it arrived: in the backup, or at its source where it is larger"
            " than maxMessageBytes. All other mail is filed."
        ),
        Words(
            "“crmservice requeue” lists what was set aside and tries it again. For a mail that is too large, raise"
            " maxMessageBytes, or see to the mail by hand and delete it at its source."
        ),
    ),
    "loop": Kind(
        Words("our notices come back again and again"),
        Words("Notices of this service return to a technology box much more often than they are sent."),
        Words("They are recognised and left alone. But some rule passes mail round in a circle, perhaps other mail too."),
        Words("Look at the forwarding rules of the mailbox that notices go to (errorTo), and of the technology box."),
    ),
    "disk-full": Kind(
        Words("the disk is full"),
        Words("The disk of the home folder has no room left, or hardly any."),
        Words("Where no room is left, no mail is fetched or filed: it waits at its source and is not lost."),
        Words("Make room on this disk. The service goes on by itself."),
    ),
    "database": Kind(
        Words("the database is not available"),
        Words("The database could not be reached, or refused to work."),
        Words("No mail is fetched or filed until it is back. It waits at its source and is not lost."),
        Words("See what the fault says, and that the database's server runs. The service goes on by itself."),
    ),
    "oauth": Kind(
        Words("no access token for the mailbox"),
        Words("Microsoft gave no access token for a mailbox."),
        Words("Mailboxes that are signed in to by OAuth2 are not read. Their mail waits there and is not lost."),
        Words(
            "Do what the fault says; docs/configuration.md shows the steps at Microsoft, “crmservice check” tries them."
            " A new client secret is taken up without a restart."
        ),
    ),
    "ledger-difference": Kind(
        Words("the ledger does not add up"),
        Words("The messages that arrived, their rows and their backups were compared, and they differ."),
        Words("The messages named may be lost, damaged or filed wrongly. All others are accounted for."),
        Words("“crmservice ledger” lists every difference. Restore what is missing from your own backup of the home folder."),
    ),
    "verify": Kind(
        Words("the verification found damage"),
        Words("Kept files or rows are not what they were when they were written."),
        Words("What is named above is damaged or missing. Nothing was deleted or repaired."),
        Words(
            "“crmservice verify” lists it all. Look at the health of the disk, and restore what is damaged from the last"
            " good backup."
        ),
    ),
    "backup": Kind(
        Words("the backup failed"),
        Words("The backup of the home folder was not made."),
        Words("The service goes on. Should this disk die, what came since the last good backup is lost with it."),
        Words("See what the fault says, mend it, and run “crmservice backup”."),
    ),
    "expiry": Kind(
        Words("something expires soon"),
        Words("A certificate, a client secret or the room of a mailbox comes to its end."),
        Words("When it has, mail can no longer be fetched, taken or sent there until it is renewed."),
        Words("Renew it in time: certificate and secret before their date, a mailbox by more room or less mail in it."),
    ),
    "canary": Kind(
        Words("forwarding does not work for somebody"),
        Words("A test mail to employees did not come back to the technology box."),
        Words("Mail to the addresses named reaches the people, but probably not the CRM."),
        Words("Check the forwarding rule of each mailbox named. “crmservice canary status” shows whose test mail came back."),
    ),
    "rhythm": Kind(
        Words("unusual silence"),
        Words("No mail came where some was to be expected by the last eight weeks."),
        Words("If mail was written meanwhile, it did not reach the technology box, and is not in the CRM."),
        Words("Check the forwarding to the box; “crmservice check” tries the box, “crmservice canary” the forwarding."),
    ),
    "smtp-listen": Kind(
        Words("the box can't listen for mail"),
        Words("The address and port where a technology box takes mail (smtpListen) can't be used."),
        Words("Nobody can hand mail over to this box. Senders keep it and try again, usually for some days."),
        Words("See what the fault says: another program may have the port. The service tries it again by itself."),
    ),
    "smtp-certificate": Kind(
        Words("the certificate for senders can't be used"),
        Words("The certificate or the key that a technology box offers to senders (smtpListenCert, smtpListenKey) can't be used."),
        Words(
            "The last good certificate goes on until the service starts again. Where there is none, other machines can't"
            " hand mail over; they keep it and try again, usually for some days."
        ),
        Words("Put certificate and key right, as the fault says. The next connection uses them; nothing needs a restart."),
    ),
    "smtp": Kind(
        Words("notices could not be delivered"),
        Words("The mail server refused a notice of this service for good."),
        Words("You did not get the notices named above."),
        Words("Check smtpServer, errorFrom and errorTo of the box. What the notices said is in CRMService.log."),
    ),
}  # fmt: skip

LABELS: Mapping[str, Words] = {
    "address": Words("Address"),
    "addresses": Words("Addresses"),
    "advice": Words("Advice"),
    "differences": Words("Differences"),
    "fault": Words("Fault"),
    "file": Words("File"),
    "free": Words("Free"),
    "holder": Words("Held by"),
    "key": Words("Key"),
    "line": Words("Line"),
    "message": Words("Message"),
    "path": Words("File"),
    "reason": Words("Reason"),
    "sender": Words("From"),
    "server": Words("Server"),
    "size": Words("Size"),
    "source": Words("Source"),
    "subject": Words("Subject"),
    "user": Words("User"),
    "what": Words("What"),
}
"""What a fact is called; one that is not listed, by its own name."""

REASONS: Mapping[str, Words] = {
    "died-twice": Words("reading it ended the service twice"),
    "broke-the-reader": Words("it can't be read"),
    "oversized": Words("larger than maxMessageBytes; it stays where it is"),
    "limit-exceeded": Words("beyond the limits of what is read"),
}
"""Why a mail was set aside, by its code in the trail."""
