"""The local folder keeps the contract of every home of raw mail, with and without descriptors of folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from crmservice.backup import RawMail
from crmservice.backup.directory import ByDescriptor, ByPath, Directory
from crmservice.backup.folder import BackupFolder
from crmservice.backup.in_flight import InFlight
from crmservice.testing.raw_mail_contract import RawMailContract


class TestFolder(RawMailContract):
    directory: type[Directory] = ByDescriptor

    @pytest.fixture(autouse=True)
    def _home(self, tmp_path: Path) -> None:
        self.home = tmp_path

    def raw_mail(self) -> RawMail:
        return BackupFolder(self.home, InFlight(self.home, "crm"), self.directory)


class TestFolderOnWindows(TestFolder):
    directory = ByPath
