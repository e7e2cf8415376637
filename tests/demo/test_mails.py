"""The demo's mail: each one becomes what its line says, and together they show everything there is."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from crmservice.config import Box, Settings, load_boxes
from crmservice.demo.boxes import KEYS, box_xml
from crmservice.demo.home import company
from crmservice.demo.mails import samples
from crmservice.demo.sample import Sample
from crmservice.pipeline.gateway import Outcome, Waiting
from crmservice.pipeline.memory import MemoryGateway
from crmservice.pipeline.process import Pipeline
from crmservice.rules import CHAIN

START = date(2026, 3, 2)
KEY = b"k" * 32
SAMPLES = samples(START, KEY)

# Every log word of SPEC chapter 4.
LOG_WORDS = {
    "OWN NOTICE", "DELETED", "DUPLICATE KEY", "RECIPIENT ADDED", "Task application", "NEW TASK CREATED", "INVALID TASK",
    "SPAM", "NET Genium", "Inform other users...", "Notify other users...", "IGNORED SUBJECT", "NEVER FILED",
    "INTERNAL MAIL", "BULK", "OWN RULE", "UNKNOWN SENDER", "UNKNOWN USER", "PROCESSED", "REROUTED", "UNWRAPPED", "SET ASIDE",
}  # fmt: skip


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Box]:
    home = tmp_path_factory.mktemp("home")
    for name in KEYS:
        (home / f"{name}.xml").write_text(box_xml(home, name), encoding="utf-8")
    found = load_boxes(home, Settings(home), {})
    assert (found.faults, found.warnings) == ((), ())
    return {box.name: box for box in found.boxes}


def run(boxes: dict[str, Box], together: bool) -> dict[str, Outcome]:
    """Every sample's outcome: each box's mail in one batch, or one after another."""
    gateway = MemoryGateway.from_tables(company())
    pipeline = Pipeline(gateway, CHAIN, notice_key=KEY)
    found: dict[str, Outcome] = {}
    for name, box in boxes.items():
        mails = [(number, sample) for number, sample in enumerate(SAMPLES, 1) if sample.box == name]
        size = len(mails) if together else 1
        for at in range(0, len(mails), size):
            chosen = mails[at : at + size]
            batch = [(waiting(number, sample), pipeline.read(sample.raw, box)) for number, sample in chosen]
            found |= {s.name: o for (_, s), o in zip(chosen, pipeline.process(box, batch), strict=True)}
    return found


def waiting(number: int, sample: Sample) -> Waiting:
    return Waiting(number, sample.box, "", str(number), datetime(2026, 3, 9, tzinfo=UTC))


@pytest.fixture(scope="module")
def outcomes(boxes: dict[str, Box]) -> dict[str, Outcome]:
    return run(boxes, together=False)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_mail_becomes_what_its_line_says(sample: Sample, outcomes: dict[str, Outcome]) -> None:
    assert outcomes[sample.name].decision.log == sample.log


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_the_rule_that_a_mail_is_about_has_matched(sample: Sample, outcomes: dict[str, Outcome]) -> None:
    trail = outcomes[sample.name].decision.trail
    assert sample.rule in {step.rule for step in trail if step.matched}


def test_one_batch_gives_what_one_by_one_gives(boxes: dict[str, Box], outcomes: dict[str, Outcome]) -> None:
    together = run(boxes, together=True)
    assert {name: o.decision.log for name, o in together.items()} == {
        name: o.decision.log for name, o in outcomes.items()
    }


def test_every_log_word_occurs() -> None:
    said = {word for sample in SAMPLES for word in sample.log}
    updated = {word for word in said if word.startswith("TASK ") and word.endswith(" UPDATED")}
    assert len(updated) == 1
    assert said - updated == LOG_WORDS


def test_every_rule_occurs(outcomes: dict[str, Outcome]) -> None:
    matched = {step.rule for o in outcomes.values() for step in o.decision.trail if step.matched}
    assert {rule.name for rule in CHAIN} <= matched
    assert {rule.name for rule in CHAIN} <= {sample.rule for sample in SAMPLES}


def test_names_are_told_apart_and_both_languages_are_there() -> None:
    assert len({sample.name for sample in SAMPLES}) == len(SAMPLES)
    assert all(sample.shows.cs and sample.shows.en and sample.shows.cs != sample.shows.en for sample in SAMPLES)


def test_the_same_first_day_and_key_give_the_same_bytes() -> None:
    assert samples(START, KEY) == SAMPLES


def test_every_address_is_made_up() -> None:
    # RFC 2606 reserves .example; the two senders of rule 4 are the manual's own.
    for sample in SAMPLES:
        for header in sample.raw[:4000].decode("latin-1").split("\r\n\r\n")[0].splitlines():
            if header.lower().startswith(("from:", "to:", "cc:")) and "@" in header:
                addresses = [word.strip("<>,;") for word in header.split() if "@" in word]
                assert all(one.lower().endswith((".example", "@netgenium.com")) for one in addresses), header


def test_the_company_has_people_of_three_levels_and_somebody_who_left() -> None:
    tables = company()
    parents = {role["name"]: role.get("parent") for role in tables["roles"]}
    levels = {name: 1 + sum(1 for _ in above(name, parents)) for name in parents}
    assert set(levels.values()) == {1, 2, 3}
    assert sum(parent is None for parent in parents.values()) == 2
    assert sum(not user.get("active", True) for user in tables["users"]) == 1


def above(role: str, parents: dict[str, str | None]) -> list[str]:
    parent = parents[role]
    return [] if parent is None else [parent, *above(parent, parents)]


def test_the_company_is_part_of_the_package() -> None:
    assert (Path(__file__).parents[2] / "src/crmservice/demo/company.json").is_file()
