"""What belongs to what: contracts, orders, tasks."""

# mypy: disable-error-code="var-annotated"
from __future__ import annotations

from django.db import models

from crmservice.store.models.base import Loaded
from crmservice.store.models.people import Account, User


class Numbered(Loaded):
    """A record known by its number; ``folded`` is the number as markers compare it."""

    number = models.CharField(max_length=100, unique=True)
    folded = models.CharField(max_length=100, db_index=True)

    class Meta:
        abstract = True


class Contract(Numbered):
    """What we do for a customer; projects too."""

    name = models.CharField(max_length=300, blank=True)
    account = models.ForeignKey(Account, models.SET_NULL, null=True)

    class Meta:
        db_table = "crm_contract"


class ContractMember(models.Model):
    """The contract's team."""

    contract = models.ForeignKey(Contract, models.CASCADE, related_name="team")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")

    class Meta:
        db_table = "crm_contract_member"
        constraints = [models.UniqueConstraint(fields=["contract", "user"], name="contract_member_once")]


class Order(Numbered):
    """A customer's order."""

    name = models.CharField(max_length=300, blank=True)
    account = models.ForeignKey(Account, models.SET_NULL, null=True)

    class Meta:
        db_table = "crm_order"


class Task(Numbered):
    """A task. ``value`` is the number as a whole number where it is one: the next is the largest plus one."""

    value = models.BigIntegerField(null=True, db_index=True)
    subject = models.CharField(max_length=1000, blank=True)
    body = models.TextField(blank=True)
    status = models.CharField(max_length=200, default="new")
    approver = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    contract = models.ForeignKey(Contract, models.SET_NULL, null=True)
    problem_id = models.CharField(max_length=100, null=True, unique=True)

    class Meta:
        db_table = "crm_task"


class TaskSolver(models.Model):
    """Who solves a task."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="solvers")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")

    class Meta:
        db_table = "crm_task_solver"
        constraints = [models.UniqueConstraint(fields=["task", "user"], name="task_solver_once")]
