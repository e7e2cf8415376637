"""The configuration: values, and their readers, which report every fault at once (SPEC chapter 2)."""

from __future__ import annotations

from crmservice.config.boxes import BoxesResult, box_files, load_boxes
from crmservice.config.oauth_file import microsoft_oauth, oauth_path
from crmservice.config.settings_file import SettingsResult, load_settings, system_zone
from crmservice.config.values import (
    DEFAULT_MAX_MESSAGE_BYTES,
    Box,
    Endpoint,
    Fault,
    Logging,
    Login,
    MicrosoftOAuth,
    Retention,
    Secret,
    Security,
    Settings,
    paused,
)

__all__ = [
    "DEFAULT_MAX_MESSAGE_BYTES",
    "Box",
    "BoxesResult",
    "Endpoint",
    "Fault",
    "Logging",
    "Login",
    "MicrosoftOAuth",
    "Retention",
    "Secret",
    "Security",
    "Settings",
    "SettingsResult",
    "box_files",
    "load_boxes",
    "load_settings",
    "microsoft_oauth",
    "oauth_path",
    "paused",
    "system_zone",
]
