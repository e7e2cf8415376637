"""The container's files, held against the program: no container engine is needed to see that they fit."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from crmservice.cli.app import COMMANDS
from crmservice.config import load_boxes, load_settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text(encoding="utf-8")


def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def test_everything_that_the_image_copies_is_there() -> None:
    copied = [shlex.split(line)[1:-1] for line in CONTAINERFILE.splitlines() if line.startswith("COPY ")]
    sources = [word for words in copied for word in words if not words[0].startswith("--from")]
    assert len(sources) >= 5
    assert [source for source in sources if not (ROOT / source).exists()] == []


@pytest.mark.parametrize("instruction", ["CMD", "HEALTHCHECK"])
def test_the_image_runs_commands_that_there_are(instruction: str) -> None:
    words = re.findall(rf"^{instruction}\b.*?\[(.+)\]", CONTAINERFILE, re.MULTILINE)
    assert len(words) == 1
    command = [word.strip(' "') for word in words[0].split(",")]
    assert command[command[0] == "crmservice"] in COMMANDS


def test_the_image_runs_without_root_and_installs_by_hash() -> None:
    assert re.search(r"^USER 5780:5780$", CONTAINERFILE, re.MULTILINE)
    assert "--require-hashes -r requirements/runtime.txt" in CONTAINERFILE


def test_the_trial_has_a_read_only_root_and_no_rights() -> None:
    crm = compose()["services"]["crm"]
    assert crm["read_only"] is True
    assert crm["cap_drop"] == ["ALL"]
    assert (DEPLOY / crm["build"]["context"] / crm["build"]["dockerfile"]).is_file()


def test_the_trial_is_reached_from_this_machine_alone() -> None:
    ports = [port for service in compose()["services"].values() for port in service.get("ports", ())]
    assert ports == ["127.0.0.1:2525:3025"]


def test_every_file_that_the_trial_mounts_is_there() -> None:
    services = compose()
    mounted = [str(volume).split(":")[0] for one in services["services"].values() for volume in one.get("volumes", ())]
    assert [v for v in mounted if v not in services["volumes"] and not (DEPLOY / v).is_file()] == []


def test_the_box_of_the_trial_has_no_fault() -> None:
    home, environ = DEPLOY / "trial", {"CRM_PASSWORD": "trial"}
    found = load_boxes(home, load_settings(home, environ).settings, environ)
    assert found.faults == ()
    assert [(box.email, box.imap is not None) for box in found.boxes] == [("crm@firma.example", True)]
