"""A stand-in for Microsoft Graph and its token endpoint, on a port of this machine.

What it sends and what it is sent is held against Microsoft's own description (``schema``), its behaviour follows the
documentation where there is some (CALENDAR A1 to A7), and what is doubtful or goes wrong is a switch (``faults``).
``python -m crmservice.testing.graph --help`` starts it as a process of its own.
"""
