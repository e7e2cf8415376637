"""What is wrong with a command line, in the language in use: Typer says most of it in English alone."""

from __future__ import annotations

import re
from typing import Any

import typer

from crmservice.cli.words import _

TYPER_FAULTS = {
    r"Got unexpected extra argument\(s\) \((?P<what>.*)\)": "{what} is one too many",
    r"Option '(?P<name>.*)' requires an argument\.": "the option {name} needs a value",
    r"Option '(?P<name>.*)' does not take a value\.": "the option {name} takes no value",
    r"Input should be a valid integer.*": "must be a whole number",
    r"Input should be greater than or equal to (?P<least>.*)": "must be {least} or more",
    r"Input should be less than or equal to (?P<most>.*)": "must be {most} or less",
    r"'(?P<value>.*)' is not one of (?P<known>.*)\.": "{value} is not one of {known}",
}
"""A text of Typer's -> the same as a template, which the catalogue has."""


def usage(wrong: Any) -> str:
    """What is wrong with a command line, and where its help is."""
    command = wrong.ctx.command_path if getattr(wrong, "ctx", None) else "crmservice"
    return "\n".join([_wrong(wrong), _("Try: {command} --help").format(command=command)])


def _wrong(wrong: Any) -> str:
    if isinstance(wrong, typer.BadParameter) and wrong.param is not None:
        name = wrong.param.get_error_hint().replace("'", "")
        why = _retold(wrong.message.removeprefix("Value error, ")) or _("is missing")
        return f"{name}: {why}"
    if possible := getattr(wrong, "possibilities", None):
        guess = _("did you mean {name}?").format(name=", ".join(sorted(possible)))
        return f"{_no_option(wrong)}; {guess}"
    if isinstance(wrong, typer.BadParameter):  # a command's own words, on no option alone
        return str(wrong.message)
    return _no_option(wrong) if hasattr(wrong, "possibilities") else _retold(str(wrong.format_message()))


def _no_option(wrong: Any) -> str:
    return _("there is no option {name}").format(name=wrong.option_name)


def _retold(said: str) -> str:
    """Typer's text in the language in use; one that is not in the table as it is."""
    for pattern, template in TYPER_FAULTS.items():
        if found := re.fullmatch(pattern, said, re.DOTALL):
            return _(template).format(**found.groupdict())
    return said
