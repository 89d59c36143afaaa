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


def unknown(arguments: Sequence[str]) -> list[str]:
    """Names of commands and options in ``thalweg *arguments`` that there are not.

    For texts, which leave out what a command cannot do without, and speak of groups of commands.
    """
    command: click.Command = main
    left = list(arguments)
    while isinstance(command, click.Group) and left and not left[0].startswith("-"):
        name = left.pop(0)
        found = command.get_command(click.Context(command), name)
        if found is None:
            return [name]
        command = found
    options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    used = [word.partition("=")[0] for word in left if word.startswith("--") and word != "--"]
    return [name for name in used if name not in {*options, "--help", "--version"}]
