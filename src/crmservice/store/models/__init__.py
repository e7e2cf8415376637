"""The tables. Imported by nobody outside ``store``: rows are reached by saying who is looking.

Keys are made in Python (``crm.ids``); ``ref`` is the id that a loaded file gave a record. Digests are 16
bytes (``mail.message.digest``). Times are UTC.
"""

from __future__ import annotations

from crmservice.store.models.mail import (
    Activity,
    ActivityAccount,
    ActivityContact,
    Attachment,
    Change,
    Effect,
    Invitation,
    Message,
    SentAddress,
    Suggestion,
    ThreadFiling,
    ThreadMessage,
    ThreadPerson,
)
from crmservice.store.models.own_rules import OwnRule
from crmservice.store.models.people import (
    Account,
    AccountAddress,
    ActivityType,
    Contact,
    ContactAddress,
    ForbiddenEmail,
    NeverFile,
    Role,
    SharedAddress,
    User,
    UserAddress,
)
from crmservice.store.models.service import (
    Audit,
    BoxState,
    Canary,
    Counter,
    Erasure,
    Hold,
    Job,
    Lease,
    Metric,
    Notice,
    Outgoing,
)
from crmservice.store.models.work import Contract, ContractMember, Order, Task, TaskSolver

__all__ = [
    "Account",
    "AccountAddress",
    "Activity",
    "ActivityAccount",
    "ActivityContact",
    "ActivityType",
    "Attachment",
    "Audit",
    "BoxState",
    "Canary",
    "Change",
    "Contact",
    "ContactAddress",
    "Contract",
    "ContractMember",
    "Counter",
    "Effect",
    "Erasure",
    "ForbiddenEmail",
    "Hold",
    "Invitation",
    "Job",
    "Lease",
    "Message",
    "Metric",
    "NeverFile",
    "Notice",
    "Order",
    "Outgoing",
    "OwnRule",
    "Role",
    "SentAddress",
    "SharedAddress",
    "Suggestion",
    "Task",
    "TaskSolver",
    "ThreadFiling",
    "ThreadMessage",
    "ThreadPerson",
    "User",
    "UserAddress",
]
