"""What the command reports in one line."""


class CommandError(Exception):
    """A file or an option that the command cannot work with: one line on stderr, exit status 2."""


class UnavailableError(Exception):
    """A library cannot take the data for want of a dtype or of memory: a note in its row."""


def one_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the error's name where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
