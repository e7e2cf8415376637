"""Metrics: true, complete in the documentation, and named right in dashboard and alarms."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from dataclasses import replace

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from crmservice.errors import TryLater
from crmservice.service import observing
from crmservice.service.endpoint import Endpoint
from crmservice.service.exposition import Values, exposition
from crmservice.store.counts import JobState
from tests.cli.conftest import Shell, shell
from tests.documentation.pages import ROOT
from tests.observing.test_troubles import NOW, WELL, health

__all__ = ["shell"]

FULL = health(replace(WELL, failures=2), failed=2, jobs=[JobState("verify", NOW, NOW, ok=True)])


def samples(text: bytes) -> dict[str, float]:
    """Each sample by its name and labels, as Prometheus reads them."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def names() -> set[str]:
    """Every name that is served, without a histogram's endings."""
    counted = replace(FULL.counts, notices={"waiting": 1})
    newest = replace(counted.boxes["crm"], newest=NOW)
    full = replace(FULL, counts=replace(counted, boxes={"crm": newest}))
    values: Values = {
        (f"crmservice_stage_seconds_{end}", (("box", "crm"), ("stage", "capture"))): 1.0 for end in ("sum", "count")
    }
    served = {
        line.split("{")[0].split(" ")[0] for line in exposition(full, values).decode().splitlines() if line[0] != "#"
    }
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in served}


def test_prometheus_reads_what_is_so() -> None:
    found = samples(exposition(FULL, {}))
    assert found["crmservice_messages_total{box=crm,verdict=processed}"] == 3
    assert found["crmservice_box_last_success_timestamp_seconds{box=crm}"] == WELL.succeeded.timestamp()  # type: ignore[union-attr]
    assert found["crmservice_box_failures{box=crm}"] == 2
    assert found["crmservice_outgoing_mails{state=failed}"] == 2
    assert found["crmservice_troubles{code=mail-failed}"] == 1
    assert found["crmservice_job_ok{job=verify}"] == 1


def test_the_documentation_names_every_metric_and_no_other() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(crmservice_\w+)`", page)) == names()


@pytest.mark.parametrize("file", ["deploy/grafana/crmservice.json", "deploy/prometheus/alerts.yaml"])
def test_dashboard_and_alarms_ask_for_metrics_that_there_are(file: str) -> None:
    asked = set(re.findall(r"\bcrmservice_\w+", (ROOT / file).read_text(encoding="utf-8")))
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked} <= names()
    assert len(asked) >= 7


def test_every_alarm_says_what_to_do() -> None:
    (group,) = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text(encoding="utf-8"))["groups"]
    assert [rule["alert"] for rule in group["rules"] if len(rule["annotations"]["description"]) < 20] == []
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"]) == 9


def test_the_panels_of_the_dashboard_do_not_lie_on_each_other() -> None:
    panels = json.loads((ROOT / "deploy/grafana/crmservice.json").read_text(encoding="utf-8"))["panels"]
    places = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24


def test_the_same_is_served_over_http_as_status_prints(shell: Shell) -> None:
    (shell.box() / "1.eml").write_bytes(shell.mail().read_bytes())
    assert shell.run("run", "--once").returncode == 0
    endpoint = observing.serve(shell.home, "127.0.0.1:0")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}/metrics") as answer:
            assert samples(answer.read())["crmservice_messages_total{box=crm,verdict=skipped}"] == 1
        with urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}/health") as answer:
            served = json.loads(answer.read())
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}/etc/passwd")
    finally:
        endpoint.close()
    printed = json.loads(shell.run("status", "--json").stdout)
    assert served["boxes"] == printed["boxes"]
    assert served["status"] == "ok"


def test_trouble_is_503_and_exit_code_1(shell: Shell) -> None:
    shell.box()
    endpoint = observing.serve(shell.home, "127.0.0.1:0")
    try:
        with pytest.raises(urllib.error.HTTPError, match="503") as caught:
            urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}/health")
        assert [one["code"] for one in json.loads(caught.value.read())["troubles"]] == ["never-ran"]
    finally:
        endpoint.close()
    done = shell.run("status", "--quiet", "--live")
    assert (done.returncode, "does the service run?" in done.stdout) == (1, True)


def test_mail_that_was_set_aside_is_a_persons_trouble_and_no_reason_to_restart(shell: Shell) -> None:
    (shell.box() / "1.eml").write_bytes(b"")
    ill = b"From: eva@acme.cz\r\nX: " + b"a" * 2_000_000 + b"\r\n\r\n"
    (shell.folder / "in-crm" / "2.eml").write_bytes(ill)
    shell.run("run", "--once")
    assert "set aside: 1" in shell.run("status", "--quiet").stdout
    assert shell.run("status", "--live").returncode == 0
    endpoint = observing.serve(shell.home, "127.0.0.1:0")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}/livez") as answer:
            assert json.loads(answer.read()) == {"at_work": True}
    finally:
        endpoint.close()


def test_an_address_that_is_taken_is_told() -> None:
    first = Endpoint("127.0.0.1:0", {})
    try:
        with pytest.raises(TryLater, match="can't be listened at"):
            Endpoint(f"127.0.0.1:{first.port}", {})
    finally:
        first.close()
