"""Django's settings, made from config; nothing else. Imports without a home."""

from __future__ import annotations

import os
from typing import Any

SECRET_KEY = os.environ.get("CRMSERVICE_SECRET_KEY", "unused: no page is served by this process")
INSTALLED_APPS = ["crmservice.store"]
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES: dict[str, dict[str, Any]] = {}
