"""The Django app of the store."""

from __future__ import annotations

from django.apps import AppConfig


class StoreConfig(AppConfig):
    """Tables are named crm_…, keys are made in Python."""

    name = "crmservice.store"
    label = "store"
    default_auto_field = "django.db.models.BigAutoField"
