"""`python -m bot` runs `latchkey`."""

import os
import resource
import sys
from pathlib import Path
from typing import NoReturn

from bot.cli.main import app
from bot.cli.terminal import is_full


def main() -> None:
    """Run the command line. Exits with 2 if standard output can't be written, for example because the disk is full."""
    _open_what_is_closed()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold master keys, tokens and secrets
    try:
        try:
            app(prog_name="latchkey")
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _give_up_printing(1)
    except OSError as error:
        if not is_full(error):
            raise
        sys.stderr.write(f"The output can't be written: {error.strerror}.\n")
        _give_up_printing(2)


def _give_up_printing(code: int) -> NoReturn:
    """End the program. Python's own try to print the rest would end in a stack trace."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _open_what_is_closed() -> None:
    """Put /dev/null where a standard stream is closed: else the next file or connection takes its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - until the program ends


if __name__ == "__main__":
    main()
