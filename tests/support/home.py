"""A home folder to write boxes into."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

from crmservice.config import BoxesResult, load_boxes, load_settings

MINIMUM = {"pop3Email": "crm@firma.cz"}


class Home:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ: dict[str, str] = {}

    def raw(self, text: str | bytes, name: str = "crm.xml") -> Path:
        file = self.folder / name
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def box(self, keys: dict[str, str | list[str]], name: str = "crm.xml") -> Path:
        """A box's file; line 4 is the first key."""
        lines = ['<?xml version="1.0" encoding="utf-8" ?>', "<configuration>", "  <appSettings>"]
        for key, value in keys.items():
            values = value if isinstance(value, list) else [value]
            lines += [f"    <add key={quoteattr(key)} value={quoteattr(one)} />" for one in values]
        return self.raw("\n".join([*lines, "  </appSettings>", "</configuration>"]), name)

    def load(self, keys: dict[str, str | list[str]] | None = None) -> BoxesResult:
        if keys is not None:
            self.box({**MINIMUM, **keys})
        return load_boxes(self.folder, load_settings(self.folder, self.environ).settings, self.environ)
