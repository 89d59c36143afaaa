"""How commands print to people: at most 100 columns, plain where there is no terminal."""

from __future__ import annotations

import sys
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH: Final = 100


def make_console() -> Console:
    """A console on standard output, never wider than `WIDTH`, plain where it is no terminal."""
    # A character that the output's encoding lacks must not end the command.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False, emoji=False, markup=False)
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    return console


def paragraph(console: Console, text: Text, *, bullet: bool = False) -> None:
    """Print a text, indented by two; the lines after the first hang behind a bullet."""
    indent = "    " if bullet else "  "
    lines = text.wrap(console, console.width - len(indent) - 2)
    for number, line in enumerate(lines):
        line.rstrip()
        console.print(Text(indent if number else "  ").append_text(line))


def make_table(*columns: str, text: int) -> Table:
    """A table whose first ``text`` columns hold text, and the others numbers."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), show_edge=False)
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index < text else "right", no_wrap=True)
    return table


def print_table(console: Console, table: Table) -> None:
    """Print a table; in plain output without spaces at the ends of its lines."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        console.print(Text(line.rstrip()), soft_wrap=True)
