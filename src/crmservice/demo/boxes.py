"""The demo's two technology boxes, as XML files (manual chapter 7)."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

from crmservice.demo.letter import OUR_SERVER
from crmservice.demo.people import ALICE, BOX, CLASSIC_BOX
from crmservice.demo.sample import CLASSIC, CRM

# No smtpServer: the demo sends nothing to anybody.
KEYS: dict[str, tuple[tuple[str, str], ...]] = {
    CRM: (
        ("pop3Email", BOX),
        ("rules", "safe"),
        ("authservId", OUR_SERVER),
        ("internalMail", "private"),
        ("bulkMail", "list"),
        ("ignoreSubject", "Service out of service"),
        ("neverFile", "zavodni-lekar.example"),
        ("saveOriginalsFrom", ALICE.partition("<")[2].rstrip(">")),
        ("replyToFrom", "formular@web-horizontu.example"),
    ),
    CLASSIC: (
        ("pop3Email", CLASSIC_BOX),
        ("rules", "manual"),
        ("saveIncomingAsPending", "true"),
        ("internalMail", "skip"),
        ("onlyKnownSenders", "true"),
    ),
}
"""The settings of each box, by its name."""


def eml_dir(home: Path, box: str) -> Path:
    """The folder that a box imports."""
    return home / "eml" / box


def box_xml(home: Path, box: str) -> str:
    """The text of a box's XML file."""
    keys = (*KEYS[box], ("rootPath", str(home)), ("emlDir", str(eml_dir(home, box))))
    rows = "\n".join(f"    <add key={quoteattr(key)} value={quoteattr(value)} />" for key, value in keys)
    return (
        '<?xml version="1.0" encoding="utf-8" ?>\n<configuration>\n  <appSettings>\n'
        f"{rows}\n  </appSettings>\n</configuration>\n"
    )
