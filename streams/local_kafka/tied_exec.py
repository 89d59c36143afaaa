"""Become another program that the system kills when our parent dies. Linux only.

Usage: ``python tied_exec.py PARENT_PID PROGRAM ARGUMENT...``. PR_SET_PDEATHSIG survives exec, so
the program keeps it and keeps our pid. It watches the *thread* that started us: that one must live
as long as the program shall.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Tie ourselves to the parent, then exec. Exits at once if the parent is gone already."""
    parent, *command = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != int(parent):
        sys.exit("the parent died before the start")
    os.execv(command[0], command)  # noqa: S606 - the point of this file


if __name__ == "__main__":
    main(sys.argv[1:])
