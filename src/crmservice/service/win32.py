"""The calls into Windows, and nothing else (pywin32). Not tried where there is no Windows: see docs/install.md.

``pythonservice.exe`` loads ``Service`` by its place in this file; the home stands among the service's own options.
Imported on Windows alone (``service.windows.calls``).
"""

# mypy: ignore-errors
from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pywintypes
import servicemanager
import win32service
import win32serviceutil

from crmservice.errors import CrmServiceError
from crmservice.service.windows import DESCRIPTION, DISPLAY, NAME, Installation

_START = {
    "auto": win32service.SERVICE_AUTO_START,
    "delayed": win32service.SERVICE_AUTO_START,
    "manual": win32service.SERVICE_DEMAND_START,
    "disabled": win32service.SERVICE_DISABLED,
}
_STATES = {
    win32service.SERVICE_RUNNING: "running",
    win32service.SERVICE_STOPPED: "stopped",
    win32service.SERVICE_START_PENDING: "starting",
    win32service.SERVICE_STOP_PENDING: "stopping",
}
_NOT_INSTALLED = 1060
_RESTART_AFTER_MS = 5_000
_FORGET_AFTER_S = 86_400
_STOP_WAIT_S = 20


class Calls:
    """Windows' service manager."""

    def install(self, wanted: Installation) -> None:
        """See windows.Calls."""
        values = {
            "displayName": DISPLAY,
            "startType": _START[wanted.startup],
            "userName": wanted.account,
            "password": wanted.password.reveal() if wanted.password else None,
            "description": DESCRIPTION,
            "delayedstart": wanted.startup == "delayed",
        }
        place = f"{Service.__module__}.{Service.__name__}"
        known = self.status() != "not installed"
        change = win32serviceutil.ChangeServiceConfig if known else win32serviceutil.InstallService
        _spoken(change, place, NAME, **values)
        win32serviceutil.SetServiceCustomOption(NAME, "home", str(wanted.home))
        _restart_when_it_dies()

    def remove(self) -> bool:
        """See windows.Calls."""
        if self.status() == "not installed":
            return False
        if self.status() != "stopped":
            self.stop()
        _spoken(win32serviceutil.RemoveService, NAME)
        return True

    def start(self) -> None:
        """See windows.Calls."""
        _spoken(win32serviceutil.StartService, NAME)

    def stop(self) -> None:
        """See windows.Calls."""
        _spoken(win32serviceutil.StopService, NAME)
        _spoken(win32serviceutil.WaitForServiceStatus, NAME, win32service.SERVICE_STOPPED, _STOP_WAIT_S)

    def status(self) -> str:
        """See windows.Calls."""
        try:
            return _STATES.get(win32serviceutil.QueryServiceStatus(NAME)[1], "unknown")
        except pywintypes.error as fault:
            if fault.winerror == _NOT_INSTALLED:
                return "not installed"
            raise CrmServiceError("Windows says: {said}", said=fault.strerror) from None


def _spoken(call: Any, *arguments: Any, **named: Any) -> None:
    try:
        call(*arguments, **named)
    except pywintypes.error as fault:
        raise CrmServiceError("Windows says: {said}", said=fault.strerror) from None


def _restart_when_it_dies() -> None:
    manager = win32service.OpenSCManager(None, None, win32service.SC_MANAGER_CONNECT)
    service = win32service.OpenService(manager, NAME, win32service.SERVICE_ALL_ACCESS)
    restart = (win32service.SC_ACTION_RESTART, _RESTART_AFTER_MS)
    actions = {"ResetPeriod": _FORGET_AFTER_S, "RebootMsg": "", "Command": "", "Actions": [restart] * 3}
    win32service.ChangeServiceConfig2(service, win32service.SERVICE_CONFIG_FAILURE_ACTIONS, actions)


class Service(win32serviceutil.ServiceFramework):
    """The service as Windows runs it."""

    _svc_name_ = NAME
    _svc_display_name_ = DISPLAY
    _svc_description_ = DESCRIPTION

    def __init__(self, arguments: Any) -> None:
        super().__init__(arguments)
        self._stop = threading.Event()

    def SvcStop(self) -> None:  # noqa: N802 (the framework's hook)
        """Windows asks for the end."""
        self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING)
        self._stop.set()

    SvcShutdown = SvcStop

    def SvcDoRun(self) -> None:  # noqa: N802 (the framework's hook)
        """Run until asked to stop; a fault that ends it reaches Windows' own log."""
        from crmservice.service import hosted

        home = Path(win32serviceutil.GetServiceCustomOption(NAME, "home"))
        try:
            hosted.run(home, self._stop)
        except CrmServiceError as fault:
            servicemanager.LogErrorMsg(f"{NAME}: {fault}")
            raise
