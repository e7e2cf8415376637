"""The systemd unit: hardened, and allowing what the boxes need."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from crmservice.errors import BadConfiguration
from crmservice.service.unit import NAME, STATE, Unit, of_home
from tests.support.home import Home

PROGRAM = Path("/opt/crmservice/bin/crmservice")


def lines(unit: Unit) -> list[str]:
    return unit.text().splitlines()


def test_the_home_of_the_unit_is_the_state_directory() -> None:
    text = lines(Unit(PROGRAM))
    assert f'ExecStart="{PROGRAM}" --home "{STATE}" run' in text
    assert "StateDirectory=crmservice" in text
    assert "StateDirectoryMode=0700" in text
    assert not [line for line in text if line.startswith("ReadWritePaths")]


def test_another_home_and_import_folders_may_be_written_in() -> None:
    text = lines(Unit(PROGRAM, home=Path("/srv/crm"), writable=(Path("/srv/in"), Path("/srv/crm/in"))))
    assert [line for line in text if line.startswith("ReadWritePaths")] == [
        'ReadWritePaths="-/srv/crm"',
        'ReadWritePaths="-/srv/in"',
    ]
    assert "StateDirectory=crmservice" not in text


@pytest.mark.parametrize("port", [25, 1023])
def test_a_low_port_needs_a_right_and_no_user_namespace(port: int) -> None:
    text = lines(Unit(PROGRAM, ports=(port,)))
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in text
    assert "PrivateUsers=yes" not in text


def test_without_a_low_port_it_has_no_right_at_all() -> None:
    text = lines(Unit(PROGRAM, ports=(2525,)))
    assert {"CapabilityBoundingSet=", "AmbientCapabilities=", "PrivateUsers=yes"} <= set(text)


@pytest.mark.parametrize("path", ["/home/jan/venv/bin/crmservice", "/root/crm/bin/crmservice"])
def test_a_program_that_the_service_can_not_see_is_refused(path: str) -> None:
    with pytest.raises(BadConfiguration, match="ProtectHome"):
        Unit(Path(path)).text()


@pytest.mark.parametrize("home", ['/srv/a"b', "/srv/a%b", "/srv/a\nUser=root"])
def test_a_path_can_not_smuggle_a_line_into_the_unit(home: str) -> None:
    with pytest.raises(BadConfiguration, match="unit file"):
        Unit(PROGRAM, home=Path(home)).text()


def test_a_bad_configuration_is_not_started_again_and_again() -> None:
    assert "RestartPreventExitStatus=78" in lines(Unit(PROGRAM))


def test_a_reload_needs_no_program_but_the_shell() -> None:
    assert "ExecReload=/bin/sh -c 'kill -HUP $MAINPID'" in lines(Unit(PROGRAM))


def test_credentials_are_handed_over() -> None:
    unit = Unit(PROGRAM, credentials=(("crm-password", Path("/etc/crm/password")),))
    assert "LoadCredential=crm-password:/etc/crm/password" in lines(unit)


def test_the_boxes_say_what_is_needed(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    Home(tmp_path).box({"pop3Email": "crm@firma.cz", "emlDir": str(folder), "smtpListen": "127.0.0.1:25"})
    unit = of_home(tmp_path, PROGRAM, "crm", ())
    assert (unit.home, unit.user, unit.writable, unit.ports) == (tmp_path, "crm", (folder,), (25,))


@pytest.mark.parametrize("unit", [Unit(PROGRAM), Unit(PROGRAM, home=Path("/srv/crm"), ports=(25,))])
def test_systemd_rates_its_exposure_at_most_one_point_five(unit: Unit, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    file = tmp_path / NAME
    file.write_text(unit.text())
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout[-2000:] + rated.stderr
    assert "Overall exposure level" in rated.stdout
    verified = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False)
    said = [line for line in verified.stderr.splitlines() if "is not executable" not in line]
    assert said == []
