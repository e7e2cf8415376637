"""The administrators' own rules (SPEC 13.12)."""

# mypy: disable-error-code="var-annotated"
from __future__ import annotations

from django.db import models

from crmservice.store.models.base import Loaded
from crmservice.store.models.people import ActivityType, User
from crmservice.store.models.work import Contract, Order, Task


class OwnRule(Loaded):
    """One own rule: its conditions, and what it does (``crm.own_rules``). They are asked by ``position``, then age.

    ``scope`` is empty where the rule says none.
    """

    name = models.CharField(max_length=200, unique=True)
    position = models.IntegerField(default=0)
    sender = models.CharField(max_length=320, blank=True)
    recipient = models.CharField(max_length=320, blank=True)
    subject = models.CharField(max_length=1000, blank=True)
    header = models.CharField(max_length=1000, blank=True)
    text = models.CharField(max_length=1000, blank=True)
    skip = models.BooleanField(default=False)
    contract = models.ForeignKey(Contract, models.SET_NULL, null=True, related_name="+")
    order = models.ForeignKey(Order, models.SET_NULL, null=True, related_name="+")
    task = models.ForeignKey(Task, models.SET_NULL, null=True, related_name="+")
    type = models.ForeignKey(ActivityType, models.SET_NULL, null=True, related_name="+")
    scope = models.CharField(max_length=20, blank=True)
    responsible = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    class Meta:
        db_table = "crm_own_rule"
