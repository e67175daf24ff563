"""Errors that the command reports in one line."""


class CommandError(Exception):
    """The command cannot use a file or an option: it prints one line on stderr and exits with status 2."""


class UnavailableError(Exception):
    """A library lacks the dtype or the memory for the data: its row gets a note."""


def one_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the error's name if it has no message."""
    lines = str(error).strip().splitlines()
    return printable(lines[0][:200]) if lines else type(error).__name__


def printable(text: str) -> str:
    """
    Write line breaks, terminal escapes, and bytes that are no UTF-8 as Python does in `repr`.

    Names of files and of arrays within them come from others: a terminal would carry out the escapes, and a
    stream may refuse what it cannot encode.
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
