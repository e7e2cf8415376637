"""What the system and libraries say of a failure, by ``words.library_words``: texts that no file of ours holds."""

from __future__ import annotations

LIBRARY_WORDS = (
    "Address already in use", "Cannot assign requested address", "Device or resource busy", "Disk quota exceeded",
    "File exists", "File name too long", "File too large", "Host is down", "Input/output error", "Is a directory",
    "Network is down", "Network is unreachable", "No route to host", "No space left on device", "No such device",
    "No such file or directory", "Not a directory", "Operation not permitted", "Permission denied",
    "Read-only file system", "Stale file handle", "Structure needs cleaning", "Too many levels of symbolic links",
    "Too many open files", "Too many open files in system", "Transport endpoint is not connected",
    "attempt to write a readonly database", "database disk image is malformed", "database is locked",
    "database or disk is full", "disk I/O error", "file is not a database", "unable to open database file",
)  # fmt: skip
"""Of the system (strerror(3)), as far as files, disks and networks have it, and of SQLite."""
