"""python -m stack build | up | down | status    (see `make help`)"""

import argparse

from stack import lifecycle
from stack.settings import Settings


def main() -> None:
    arguments = parse_arguments()
    settings = Settings.from_environment()
    if arguments.command == "build":
        lifecycle.build(settings)
    elif arguments.command == "up":
        lifecycle.up(settings, dict(arguments.parameter))
    elif arguments.command == "down":
        lifecycle.down(settings)
    else:
        lifecycle.status(settings)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build the functions for deployment, and fake-belvo")
    up = commands.add_parser("up", help="build, start the servers, deploy; leaves them running")
    up.add_argument(
        "--parameter", action="append", default=[], type=parameter, metavar="NAME=VALUE",
        help="value of a template parameter, for example RetryBaseSeconds=1",
    )
    commands.add_parser("down", help="stop what `up` started")
    commands.add_parser("status", help="show running processes, messages in the queues, items in the table")
    return parser.parse_args()


def parameter(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


if __name__ == "__main__":
    main()
