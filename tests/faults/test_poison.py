"""A mail that breaks its reader or kills it: set aside, the others filed in the same cycle (TRUST.md C15)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import poison
from tests.faults.fixtures import Figures
from tests.faults.oracle import subject_of
from tests.faults.place import Place, mail
from tests.faults.scene import Scene, scene
from tests.faults.warm import Warm

GOOD = 99
TIMES = 20
"""So often each kind, in the long run."""

SHIM = """
from tests.faults import poison
poison.plant()
"""


def poisoned(ready: Scene, how: str) -> list[str]:
    """A hundred mails, one of them poisonous, taken in one round; what is wrong then."""
    mails = ready.mails.some(GOOD)
    bad = mail(GOOD + 1, extra=f"{poison.HEADER.decode()}{how}\r\n")
    mails.insert(ready.chance.randrange(GOOD), bad)
    ready.place.deliver(mails)
    return ready.settle()


@pytest.mark.parametrize("how", poison.KINDS)
def test_a_poisonous_mail_is_set_aside_and_the_others_are_filed(
    how: str, warm: Warm, template: Path, tmp_path: Path, figures: Figures
) -> None:
    with scene(warm, template, tmp_path / "home", "pop3", twice=0, broken=0, large=0) as ready:
        assert poisoned(ready, how) == [], f"CRM_TEST_SEED={ready.seed}"
    figures("C15", f"{how}: 1 of 100 set aside, 99 filed")


@pytest.mark.slow
@pytest.mark.parametrize("how", poison.KINDS)
def test_wherever_a_poisonous_mail_is_the_others_are_filed(
    how: str, warm: Warm, template: Path, tmp_path: Path, figures: Figures
) -> None:
    for n in range(TIMES):
        with scene(warm, template, tmp_path / f"home{n}", "imap", twice=0, broken=0, large=0) as ready:
            assert poisoned(ready, how) == [], f"CRM_TEST_SEED={ready.seed}"
    figures("C15", f"{how}: {TIMES} times 1 of 100 set aside, 99 filed")


def test_the_command_files_the_others_in_one_cycle_and_once_mended_the_one(on_folder: Place, tmp_path: Path) -> None:
    for number in range(GOOD + 1):
        on_folder.sent.append(mail(number, extra=f"{poison.HEADER.decode()}crash\r\n" if number == 50 else ""))
        (tmp_path / "in" / f"{number:03}.eml").write_bytes(on_folder.sent[-1])
    (tmp_path / "sitecustomize.py").write_text(SHIM, encoding="utf-8")
    on_folder.cycle(PYTHONPATH=f"{tmp_path}:{Path(__file__).parents[2]}")
    assert on_folder.faults() == []
    on_folder.run("requeue", "--all")
    on_folder.cycle()
    assert on_folder.activities()[subject_of(on_folder.sent[50])] == 1
    assert {verdict for _checksum, verdict, _attempts in on_folder.messages()} == {"processed"}
