"""CRMService turns a company's e-mail and calendars into CRM activities."""

__version__ = "0.1.0"
