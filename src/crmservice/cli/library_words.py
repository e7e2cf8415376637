"""What the system and libraries say of a failure (``words.library_words``), so that it can be translated too.

Of the system (strerror(3)) what files, disks and networks have; then SQLite, OpenSSL, expat, and Python's JSON and TOML readers.
"""

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

    "CA signature digest algorithm too weak", "EE certificate key too weak", "certificate has expired",
    "certificate is not yet valid", "invalid CA certificate", "self-signed certificate",
    "self-signed certificate in certificate chain", "unable to get issuer certificate",
    "unable to get local issuer certificate", "unable to verify the first certificate", "unsuitable certificate purpose",

    "XML declaration not well-formed", "XML or text declaration not at start of entity", "duplicate attribute",
    "encoding specified in XML declaration is incorrect", "junk after document element", "mismatched tag",
    "no element found", "not well-formed (invalid token)", "partial character", "reference to invalid character number",
    "syntax error", "unbound prefix", "unclosed CDATA section", "unclosed token", "undefined entity", "unknown encoding",

    "Expecting ',' delimiter", "Expecting ':' delimiter", "Expecting property name enclosed in double quotes",
    "Expecting value", "Extra data", "Unterminated string starting at",

    "Cannot overwrite a value", "Expected '=' after a key in a key/value pair",
    "Expected ']' at the end of a table declaration", "Expected newline or end of document after a statement",
    "Invalid date or datetime", "Invalid initial character for a key part", "Invalid statement", "Invalid value",
    "Unclosed array", "Unclosed inline table", "Unescaped '\\' in a string", "Unterminated string",
)  # fmt: skip
