"""The store as it was: what became of each message, and the CRM before one arrived (SPEC 13.3).

What mail brought is taken back to that moment; what people and loaded files changed stands as it is today.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from crmservice.crm.directory import Directory, Wanted
from crmservice.crm.records import Task, Thread
from crmservice.mail.text import fold
from crmservice.pipeline.gateway import Outcome, Waiting
from crmservice.service_types import Filed, Past
from crmservice.store import bulk, lookup, reference
from crmservice.store.database import available, refresh
from crmservice.store.trails import read_log
