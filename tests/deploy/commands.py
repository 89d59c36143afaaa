"""Whether a command line of ``thalweg`` is one that the installed command would take."""

from __future__ import annotations

from collections.abc import Sequence

import click

from streams.cli import main


def problems(arguments: Sequence[str]) -> list[str]:
    """What is wrong with ``thalweg *arguments``: unknown commands, options or values.

    Everything is parsed as the command itself would, but nothing is run.
    """
    command: click.Command = main
    context = click.Context(main, info_name="thalweg")
    left = list(arguments)
    while isinstance(command, click.Group):
        name = left.pop(0) if left else ""
        found = command.get_command(context, name)
        if found is None:
            return [f"{context.command_path} has no command {name!r}"]
        command = found
        context = click.Context(command, parent=context, info_name=name)
    try:
        command.make_context(context.info_name, left, parent=context.parent)
    except click.UsageError as error:
        return [f"thalweg {' '.join(arguments)}: {error.format_message()}"]
    return []
