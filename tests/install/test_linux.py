"""Installing on Linux, in a folder that stands for the machine."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from crmservice.errors import BadConfiguration
from crmservice.service import linux
from crmservice.service.linux import Failed, Machine
from crmservice.service.unit import Unit

PROGRAM = Path("/opt/crmservice/bin/crmservice")


class Recorded:
    """Commands that are noted instead of run."""

    def __init__(self, refused: str = "") -> None:
        self.refused = refused
        self.run: list[str] = []

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
        self.run.append(" ".join(arguments))
        return (1, "no") if self.refused and self.refused in self.run[-1] else (0, "active")


def me() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def test_installing_makes_user_home_and_unit_and_switches_it_on(tmp_path: Path) -> None:
    commands = Recorded()
    machine = Machine(tmp_path, commands)
    made = machine.install(Unit(PROGRAM, home=Path("/srv/crm"), user="crm-of-nobody"), start=True)
    assert commands.run[0].startswith("useradd --system --user-group")
    assert commands.run[1:] == ["systemctl daemon-reload", "systemctl enable --now crmservice.service"]
    assert machine.unit_file.read_text() == Unit(PROGRAM, home=Path("/srv/crm"), user="crm-of-nobody").text()
    assert stat.S_IMODE((tmp_path / "srv/crm").stat().st_mode) == 0o700
    assert made == ["user crm-of-nobody", str(tmp_path / "srv/crm"), str(machine.unit_file)]


def test_installing_again_renews_the_unit_and_makes_no_user(tmp_path: Path) -> None:
    commands = Recorded()
    machine = Machine(tmp_path, commands)
    for port in (2525, 25):
        machine.install(Unit(PROGRAM, user=me(), ports=(port,)), start=False)
    assert "CAP_NET_BIND_SERVICE" in machine.unit_file.read_text()
    assert commands.run == ["systemctl daemon-reload", "systemctl enable crmservice.service"] * 2


def test_removing_leaves_the_data(tmp_path: Path) -> None:
    commands = Recorded()
    machine = Machine(tmp_path, commands)
    machine.install(Unit(PROGRAM, home=Path("/srv/crm"), user=me()), start=False)
    (tmp_path / "srv/crm/crm.xml").write_text("<configuration/>")
    assert machine.uninstall()
    assert not machine.unit_file.exists()
    assert (tmp_path / "srv/crm/crm.xml").exists()
    assert "systemctl disable --now crmservice.service" in commands.run
    assert not machine.uninstall()


@pytest.mark.parametrize("verb", ["start", "stop"])
def test_what_is_not_installed_can_be_neither_started_nor_stopped(verb: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="service install"):
        Machine(tmp_path, Recorded()).act(verb)


def test_a_command_that_fails_says_so_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="daemon-reload failed: no"):
        Machine(tmp_path, Recorded("daemon-reload")).install(Unit(PROGRAM, user=me()), start=True)


def test_started_stopped_and_asked(tmp_path: Path) -> None:
    commands = Recorded()
    machine = Machine(tmp_path, commands)
    machine.install(Unit(PROGRAM, user=me()), start=False)
    machine.act("start")
    machine.act("stop")
    assert machine.status() == "active"
    assert commands.run[-3:] == [
        "systemctl start crmservice.service",
        "systemctl stop crmservice.service",
        "systemctl status --no-pager --lines=5 crmservice.service",
    ]


def test_real_commands_give_code_and_words() -> None:
    assert linux.real_commands(["sh", "-c", "echo a; echo b >&2; exit 3"]) == (3, "a\nb")


def test_the_program_of_this_environment_is_absolute() -> None:
    assert linux.program().is_absolute()
