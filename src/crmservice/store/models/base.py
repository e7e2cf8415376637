"""What every table has in common."""

# mypy: disable-error-code="var-annotated"
from __future__ import annotations

from django.db import models

from crmservice.crm.ids import new_id


class Keyed(models.Model):
    """A row with a key of ours."""

    id = models.BigIntegerField(primary_key=True, default=new_id, editable=False)

    class Meta:
        abstract = True


class Loaded(Keyed):
    """A record that ``load`` may have brought, known again by the id of its file."""

    ref = models.CharField(max_length=200, null=True, unique=True)

    class Meta:
        abstract = True
