"""`vin-agent setup`: asks what this gateway is to watch, writes the settings, looks the device over, starts the service."""

import argparse
import os
import sys
from pathlib import Path

from agent import config, doctor, rounds
from agent.arguments import DEFAULT_CONFIG
from agent.errors import BadConfig, NeedsOperator
from agent.setup import service
from agent.setup.answers import Answers, asked
from agent.setup.ask import Asker, given
from agent.setup.files import CREDENTIALS, shown, write


def run(options: argparse.Namespace) -> bool:
    """Whether everything is well at the end; before the last answer nothing is changed, whatever ends the conversation."""
    file: Path = options.config
    _may_begin(file, asks=not options.yes)
    asker = Asker(given(options), asks=not options.yes)
    before = _before(file)
    try:
        answers = asked(asker, before)
        asker.refuse_unused()
        if not _agreed(asker, file, answers):
            print("Nothing was changed.")
            return False
    except (KeyboardInterrupt, EOFError):
        print("\nNothing was changed.")
        raise KeyboardInterrupt from None
    settings = write(file, answers)
    print(f"Written: {file}")
    return True if options.no_start else _begin(asker, file, settings)


def _may_begin(file: Path, *, asks: bool) -> None:
    folder = next(each for each in file.absolute().parents if each.exists())
    if not os.access(folder, os.W_OK):
        raise NeedsOperator(f"setup may not write {file}: run it as root, such as sudo vin-agent setup")
    if asks and not sys.stdin.isatty():
        raise NeedsOperator("setup asks questions and needs a terminal; without one, give --yes, and answers by --answers FILE or options")


def _before(file: Path) -> config.Settings:
    """What is set already is what each question offers; a file that is wrong is no help, and is kept beside the new one."""
    if not file.exists():
        return config.Settings()
    try:
        return config.load(file, {**os.environ, "CREDENTIALS_DIRECTORY": str(file.parent / CREDENTIALS)})
    except BadConfig as wrong:
        print(f"What is there is wrong and not used: {wrong}")
        return config.Settings()


def _agreed(asker: Asker, file: Path, answers: Answers) -> bool:
    print(f"\n{shown(file, answers)}")
    kept = f", and keep the one that is there as {file.name}.bak" if file.exists() else ""
    return asker.confirmed(f"Write this to {file}{kept}?")


def _begin(asker: Asker, file: Path, settings: config.Settings) -> bool:
    ours = file == DEFAULT_CONFIG and service.there()
    if ours:
        service.stop()
    well = doctor.told(rounds.everything(settings))
    if not ours:
        print(f"systemd does not look after this one: start it with vin-agent run --config {file}")
        return well
    if not well and not asker.confirmed("Start it all the same? What is missing is waited for."):
        return False
    return service.begin(settings) and well
