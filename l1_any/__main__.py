"""The command ``l1-any``, also ``python -m l1_any``."""

import sys


def main() -> None:
    """Run the command. If its packages are missing, print which extra installs them."""
    try:
        from .cli.app import app
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in {"typer", "rich"}:
            raise
        sys.stderr.write(f'l1-any: the command needs {library}: pip install "l1_any[cli]"\n')
        raise SystemExit(2) from None
    app(prog_name="l1-any")


if __name__ == "__main__":
    main()
