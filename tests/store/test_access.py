"""Who sees what (SPEC chapter 6): the query and a plain reading of the rule agree, on any company."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmservice.crm.ids import new_id
from crmservice.pipeline.gateway import Outcome, Waiting
from crmservice.store import access, models, tables
from crmservice.store.gateway import StoreGateway
from crmservice.testing.gateway_contract import BOX, EVERYTHING, TABLES, activity, decision


@dataclass(frozen=True)
class World:
    """``parents``: each role's parent (None for a root). ``roles``: each user's. Activities: (responsible,
    level or None, contract, task); ``tasks``: each task's contract; ``teams``: users of each contract."""

    parents: tuple[int | None, ...]
    roles: tuple[int | None, ...]
    admins: frozenset[int]
    teams: tuple[frozenset[int], ...]
    tasks: tuple[int | None, ...]
    activities: tuple[tuple[int, int | None, int | None, int | None], ...]


def level(world: World, role: int) -> int:
    parent = world.parents[role]
    return 1 if parent is None else level(world, parent) + 1


def is_above(world: World, superior: int, role: int) -> bool:
    parent = world.parents[role]
    return parent is not None and (parent == superior or is_above(world, superior, parent))


def sees(world: World, user: int, what: tuple[int, int | None, int | None, int | None]) -> bool:
    """SPEC chapter 6, sentence by sentence."""
    responsible, scope, contract, task = what
    if user in world.admins or user == responsible:
        return True
    if scope is None:
        contracts = {contract, world.tasks[task] if task is not None else None} - {None}
        return any(user in world.teams[one] for one in contracts if one is not None)
    role = world.roles[user]
    with_level = [r for r in range(len(world.parents)) if level(world, r) == scope]
    return role is not None and (role in with_level or any(is_above(world, role, r) for r in with_level))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    parents = tuple(draw(st.none() | st.integers(0, n - 1)) if n else None for n in range(draw(st.integers(1, 7))))
    role = st.none() | st.integers(0, len(parents) - 1)
    roles = tuple(draw(st.lists(role, min_size=1, max_size=5)))
    user = st.integers(0, len(roles) - 1)
    teams = tuple(draw(st.lists(st.frozensets(user, max_size=3), min_size=1, max_size=3)))
    contract = st.none() | st.integers(0, len(teams) - 1)
    tasks = tuple(draw(st.lists(contract, min_size=1, max_size=2)))
    scope = st.none() | st.integers(0, 9) | st.integers(1, 4)
    one = st.tuples(user, scope, contract, st.none() | st.integers(0, len(tasks) - 1))
    return World(
        parents, roles, draw(st.frozensets(user, max_size=1)), teams, tasks, tuple(draw(st.lists(one, max_size=6)))
    )


def build(world: World) -> list[int]:
    """The world in the tables; returns the keys of its activities."""
    roles, users, contracts, tasks = (
        [new_id() for _ in part] for part in (world.parents, world.roles, world.teams, world.tasks)
    )
    models.Role.objects.bulk_create(
        models.Role(id=roles[n], name=f"r{n}", parent_id=None if p is None else roles[p], level=level(world, n))
        for n, p in enumerate(world.parents)
    )
    models.User.objects.bulk_create(
        models.User(id=users[n], login=f"u{n}", role_id=None if r is None else roles[r], admin=n in world.admins)
        for n, r in enumerate(world.roles)
    )
    models.Contract.objects.bulk_create(
        models.Contract(id=key, number=f"c{n}", folded=f"c{n}") for n, key in enumerate(contracts)
    )
    models.ContractMember.objects.bulk_create(
        models.ContractMember(contract_id=contracts[n], user_id=users[u])
        for n, team in enumerate(world.teams)
        for u in team
    )
    models.Task.objects.bulk_create(
        models.Task(id=tasks[n], number=f"t{n}", folded=f"t{n}", contract_id=None if c is None else contracts[c])
        for n, c in enumerate(world.tasks)
    )
    return [
        make(who, scope, pick(contracts, c), pick(tasks, t))
        for (u, scope, c, t) in world.activities
        for who in [users[u]]
    ]


def pick(keys: list[int], n: int | None) -> int | None:
    return None if n is None else keys[n]


def make(responsible: int, scope: int | None, contract: int | None, task: int | None) -> int:
    key = new_id()
    models.Activity.objects.create(
        id=key, responsible_id=responsible, scope_level=scope, contract_id=contract, task_id=task
    )
    return key


@pytest.fixture
def world_store(home: Path) -> Callable[[], None]:
    """A store for many worlds, one after another: returns what empties it."""

    def empty() -> None:
        for model in (models.Activity, models.Task, models.ContractMember, models.Contract, models.User, models.Role):
            with connection.cursor() as cursor:
                cursor.execute(f'DELETE FROM "{model._meta.db_table}"')

    return empty


SLOW_FIXTURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


@SLOW_FIXTURE
@given(world=worlds())
def test_the_query_and_the_rule_agree_on_any_company(world_store: Callable[[], None], world: World) -> None:
    world_store()
    keys = build(world)
    for user in range(len(world.roles)):
        viewer = access.viewer(f"u{user}")
        expected = {key for key, what in zip(keys, world.activities, strict=True) if sees(world, user, what)}
        assert {one.id for one in access.activities(viewer)} == expected
        assert access.count_activities(viewer) == len(expected)
        assert {key for key in keys if access.activity(viewer, key)} == expected


@given(world=worlds(), data=st.data())
def test_a_higher_role_never_hides_an_activity(world: World, data: st.DataObject) -> None:
    user = data.draw(st.integers(0, len(world.roles) - 1))
    role = world.roles[user]
    if role is None or (parent := world.parents[role]) is None:
        return
    raised = replace(world, roles=(*world.roles[:user], parent, *world.roles[user + 1 :]))
    for what in world.activities:
        assert sees(raised, user, what) or not sees(world, user, what)


@given(world=worlds())
def test_superiors_see_what_a_level_shows_to_those_below(world: World) -> None:
    people = range(len(world.roles))
    for (low, high), what in itertools.product(itertools.permutations(people, 2), world.activities):
        below, above = world.roles[low], world.roles[high]
        by_level = what[1] is not None and low not in world.admins and low != what[0]
        if by_level and below is not None and above is not None and is_above(world, above, below):
            assert sees(world, high, what) or not sees(world, low, what)


@given(world=worlds())
def test_a_private_scope_never_shows_more_outside_the_team(world: World) -> None:
    for user, (responsible, scope, _, _) in itertools.product(range(len(world.roles)), world.activities):
        private = sees(world, user, (responsible, None, None, None))
        assert not private or sees(world, user, (responsible, scope, None, None))


@pytest.fixture
def company(home: Path, row: Callable[[], Waiting]) -> int:
    """The company of the contract, with one p- activity of svoboda's; returns its key."""
    tables.load(TABLES | {"users": [*TABLES["users"], {"login": "root", "admin": True}]})
    gateway, one = StoreGateway(), row()
    svoboda = gateway.directory_for(EVERYTHING, [one.id]).users["svoboda@firma.cz"].id
    mailed = decision(1, activity(svoboda, scope="p-", keep_original=True))
    gateway.apply([Outcome(one, BOX, mailed)])
    return access.activities(access.viewer("root"))[0].id


def test_what_one_may_not_see_does_not_exist(company: int) -> None:
    novak = access.viewer("novak")
    assert access.activities(novak) == []
    assert access.attachments(novak, company) == []
    assert access.activity(novak, company) is None
    assert access.count_activities(novak) == 0
    assert tables.export("novak")["activities"] == []


def test_the_responsible_person_sees_the_whole(company: int) -> None:
    svoboda = access.viewer("svoboda")
    seen = access.activity(svoboda, company)
    assert seen is not None
    assert (seen.subject, seen.responsible, seen.scope, seen.type) == ("mail 1", "svoboda", "p-", "E-mail")
    (attachment,) = access.attachments(svoboda, company)
    assert (attachment.name, attachment.part, attachment.size) == ("Original.eml", -1, 3)
    assert [one.id for one in access.activities(svoboda, kind="mail")] == [company]
    assert access.activities(svoboda, before=company) == []


def test_tasks_are_seen_by_solvers_approver_and_team(company: int) -> None:
    tables.load(
        {
            "tasks": [
                {"number": "1", "solvers": ["svoboda"]},
                {"number": "2", "approver": "svoboda"},
                {"number": "3", "contract": "Z-1"},
            ]
        }
    )
    assert {task.number for task in access.tasks(access.viewer("svoboda"))} == {"1", "2"}
    assert {task.number for task in access.tasks(access.viewer("novak"))} == {"77", "3"}
    assert len(access.tasks(access.viewer("root"))) == 5
    assert [task.number for task in access.tasks(access.viewer("novak"), status="new", number="3")] == ["3"]


def test_invitations_are_seen_by_their_user(company: int) -> None:
    tables.load({"invitations": [{"user": "novak", "uid": "x@y", "summary": "Porada"}]})
    assert [one.summary for one in access.invitations(access.viewer("novak"))] == ["Porada"]
    assert access.invitations(access.viewer("svoboda")) == []
    assert len(access.invitations(access.viewer("root"))) == 1


def test_messages_and_forbidden_addresses_are_for_administrators(company: int) -> None:
    for user, count in (("svoboda", 0), ("root", 1)):
        assert len(access.messages(access.viewer(user))) == count
        assert len(access.forbidden_emails(access.viewer(user))) == count
        export = tables.export(user)
        assert len(export["messages"]) == len(export["forbidden_emails"]) == count


def test_customers_and_numbers_are_for_everyone(company: int) -> None:
    assert [one.name for one in access.accounts()] == ["ACME", "Beta"]
    assert [one.name for one in access.contacts(account__name="ACME")] == ["Jana"]
    assert [(one.number, one.account) for one in access.contracts()] == [("Z-1", "ACME")]
    assert [(one.number, one.account) for one in access.orders()] == [("O/7", "Beta")]


def test_a_login_that_nobody_has_is_an_error(home: Path) -> None:
    with pytest.raises(access.NoSuchUser, match="'nikdo'"):
        access.viewer("nikdo")


def test_counts_stop_at_their_limit(company: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "COUNT_LIMIT", 1)
    root = access.viewer("root")
    user = models.User.objects.values_list("id", flat=True)[0]
    for _ in range(3):
        make(user, 1, None, None)
    assert access.count_activities(root) == 2
