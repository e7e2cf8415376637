"""A command as Typer makes it, its help in the language in use."""

from __future__ import annotations

import importlib
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

from crmservice.cli.words import _

TYPER_WORDS = (
    "Arguments", "Commands", "Options", "Show this message and exit.", "default: {default}", "env var: {var}", "required",
    "Usage: ", "No such command {name!r}.", "Missing command.",
)  # fmt: skip
"""What Typer itself says in help and errors, so that it can be translated too."""


class Translated:
    """A command or a group whose help speaks the language in use."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """``Usage: crmservice run [OPTIONS]``."""
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)), prefix=_("Usage: "))  # type: ignore[attr-defined]

    def get_help_option(self, ctx: Any) -> Any:
        """``--help``, explained."""
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.help = _(option.help)
        return option


class Command(Translated, TyperCommand):
    """One command."""


def loaded(name: str, place: str) -> Any:
    """The command whose function is at ``place`` (``module:function``), its texts as the code has them."""
    module, _colon, function = place.partition(":")
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name, cls=Command)(getattr(importlib.import_module(module), function))
    return get_command(single)


def translated(command: Any) -> Any:
    """The command with its help and that of each option in the language in use."""
    for text in (command, *command.params):
        said = text.help or ""
        text.help = _(said)
    return command
