"""`python -m bot` runs `latchkey`."""

from bot.cli.main import app


def main() -> None:
    """Run the command line."""
    app(prog_name="latchkey")


if __name__ == "__main__":
    main()
