"""Microsoft 365 from outside: access tokens (``tokens``) and Microsoft Graph (``graph``), for mail and calendars alike.

A floor of its own below ``sources``, ``notices`` and ``calendars``: mailboxes at Exchange Online want tokens, error
notices may be sent with one, mail and calendars read Graph, and none of them may know another.
"""
