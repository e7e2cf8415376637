"""Who there is: roles, users, accounts, contacts and their addresses."""

# mypy: disable-error-code="var-annotated"
from __future__ import annotations

from django.db import models

from crmservice.store.models.base import Keyed, Loaded


class Role(Loaded):
    """User roles form a tree; the root's level is 1 (the manual's immersion level)."""

    name = models.CharField(max_length=200, unique=True)
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")
    level = models.SmallIntegerField(default=1, db_index=True)

    class Meta:
        db_table = "crm_role"


class User(Loaded):
    """A row of the user table (the manual's ``susers``). ``password`` and ``last_login`` serve sign-in."""

    login = models.CharField(max_length=150, unique=True)
    name = models.CharField(max_length=200, blank=True)
    email = models.CharField(max_length=320, blank=True)
    role = models.ForeignKey(Role, models.PROTECT, null=True)
    active = models.BooleanField(default=True)
    admin = models.BooleanField(default=False)
    password = models.CharField(max_length=128, blank=True)
    last_login = models.DateTimeField(null=True)

    class Meta:
        db_table = "crm_user"


class UserAddress(models.Model):
    """The addresses a user has: the e-mail and the aliases, in lower case."""

    address = models.CharField(max_length=320, primary_key=True)
    user = models.ForeignKey(User, models.CASCADE, related_name="addresses")

    class Meta:
        db_table = "crm_user_address"


class SharedAddress(Loaded):
    """An address many answer for: one user, or a role whose active members take turns."""

    address = models.CharField(max_length=320, unique=True)
    responsible = models.ForeignKey(User, models.CASCADE, null=True, related_name="+")
    role = models.ForeignKey(Role, models.CASCADE, null=True, related_name="+")
    last_user = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    class Meta:
        db_table = "crm_shared_address"


class ActivityType(Loaded):
    """A type of activities; ``folded`` is the name as markers compare it."""

    name = models.CharField(max_length=200, unique=True)
    folded = models.CharField(max_length=200, db_index=True)

    class Meta:
        db_table = "crm_activity_type"


class Reachable(Loaded):
    """Whoever can be written to: permissions off after an opt-out, broken after a bounce (manual 13)."""

    name = models.CharField(max_length=200)
    sort_key = models.CharField(max_length=400, blank=True, db_index=True)
    allow_emails = models.BooleanField(default=True)
    allow_bulk_emails = models.BooleanField(default=True)
    email_broken = models.BooleanField(default=False)

    class Meta:
        abstract = True


class Account(Reachable):
    """A customer company (the manual's business relationship)."""

    class Meta:
        db_table = "crm_account"


class Contact(Reachable):
    """A person in the address book, usually of an account."""

    account = models.ForeignKey(Account, models.SET_NULL, null=True, related_name="contacts")

    class Meta:
        db_table = "crm_contact"


class AccountAddress(models.Model):
    """An account's addresses, in lower case; several accounts may share one."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="addresses")
    address = models.CharField(max_length=320, db_index=True)
    domain = models.CharField(max_length=255, db_index=True)

    class Meta:
        db_table = "crm_account_address"
        constraints = [models.UniqueConstraint(fields=["account", "address"], name="account_address_once")]


class ContactAddress(models.Model):
    """A contact's addresses, in lower case; several contacts may share one."""

    contact = models.ForeignKey(Contact, models.CASCADE, related_name="addresses")
    address = models.CharField(max_length=320, db_index=True)
    domain = models.CharField(max_length=255, db_index=True)

    class Meta:
        db_table = "crm_contact_address"
        constraints = [models.UniqueConstraint(fields=["contact", "address"], name="contact_address_once")]


class NeverFile(Keyed):
    """An address or domain whose mail is never filed for one user (SPEC chapter 2, ``neverFile``, per user)."""

    user = models.ForeignKey(User, models.CASCADE, related_name="never_file")
    address = models.CharField(max_length=320, db_index=True)

    class Meta:
        db_table = "crm_never_file"
        constraints = [models.UniqueConstraint(fields=["user", "address"], name="never_file_once")]


class ForbiddenEmail(Keyed):
    """An address that campaigns must leave out (manual 13)."""

    email = models.CharField(max_length=320)
    type = models.CharField(max_length=20)
    unverified = models.BooleanField(default=False)

    class Meta:
        db_table = "crm_forbidden_email"
        constraints = [models.UniqueConstraint(fields=["email", "type"], name="forbidden_email_once")]
