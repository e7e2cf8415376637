"""How a command ends: a fault becomes a sentence on standard error and an exit code, never a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import typer
from typer.exceptions import TyperException

from crmservice.cli import exits
from crmservice.cli.usage import usage
from crmservice.cli.words import _, told
from crmservice.errors import CrmServiceError
from crmservice.service.child import Work
from crmservice.service.supervise import supervised


def spoken(work: Callable[[], object]) -> int:
    """Do the work; returns its exit code, or that of the fault which it ended with."""
    try:
        code = work()
        sys.stdout.flush()
    except CrmServiceError as fault:
        complain(told(fault))
        return exits.code_of(fault)
    except typer.Exit as leave:
        return leave.exit_code
    except TyperException as wrong:
        complain(usage(wrong))
        return wrong.exit_code
    except (KeyboardInterrupt, typer.Abort):
        complain(_("stopped; nothing is lost, the next run goes on from here"))
        return exits.INTERRUPTED
    except BrokenPipeError:  # the reader had enough (| head): nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.DONE
    except OSError as fault:
        complain(f"{fault.filename or ''}: {_(fault.strerror or str(fault))}".removeprefix(": "))
        return exits.FAILED
    except Exception as fault:
        if (known := _of_the_database(fault)) is None:
            raise
        complain(told(known))
        return exits.code_of(known)
    return code if isinstance(code, int) else exits.DONE


def _of_the_database(fault: Exception) -> CrmServiceError | None:
    """What a database that went away in the midst of a command said; None: a fault of the program's own."""
    if "django.db" not in sys.modules:
        return None
    from crmservice.store.database import fault_of

    return fault_of(fault)


def in_child(work: Work) -> int:
    """Do the work in a child that a bad mail may kill (``service.supervise``); its faults are spoken too."""
    return supervised(lambda life: spoken(lambda: work(life)))


def complain(text: str) -> None:
    """Say what is wrong, on standard error."""
    print(f"crmservice: {text}", file=sys.stderr)
