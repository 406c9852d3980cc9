"""A question, its default, and the rule of the settings that an answer has to meet; answers may be given beforehand."""

import argparse
import difflib
import getpass
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from agent.errors import BadConfig
from agent.settings import Rule, masked, source_of
from agent.toml_text import quoted, shown, toml

_YES, _NO = ("y", "yes", "true"), ("n", "no", "false")
_LARGEST = 10**18  # of a number among the answers; none of them asks for more than a port
YES_OR_NO = Rule("yes or no", lambda text: text.lower() in _YES + _NO)
PORT = Rule("a number from 1 to 65535", lambda text: text.isdecimal() and len(text) < 6 and 1 <= int(text) <= 65535)


def rule_of(section: type[Any], key: str) -> Rule:
    """What the settings say a key may be."""
    found: Rule = next(field.metadata["rule"] for field in fields(section) if field.name == key)
    return found


class Asker:
    """Takes each answer from what was given, from the terminal, or from its default; the same rule holds for all three."""

    def __init__(self, given: Mapping[str, str], *, asks: bool) -> None:
        self._given, self._asks, self._used = dict(given), asks, set[str]()

    def answer(self, key: str, question: str, default: str, rule: Rule, *, secret: bool = False) -> str:
        """Raises `BadConfig` where nobody can be asked again."""
        while True:
            text, was_typed = self._text(key, question, default, secret)
            if rule.holds(text):
                return text
            value = "a value that is kept secret" if secret and text else quoted(masked(text) if "://" in text else text)
            if not was_typed:
                raise BadConfig(f'the answer "{shown(key)}" must be {rule.expected}, not {value}')
            print(f"  That must be {rule.expected}.")

    def chosen(self, key: str, question: str, offers: Mapping[str, str], default: str, rule: Rule) -> str:
        """One of `offers` (answer: words), by its number or itself, or anything else the rule takes."""
        if self._asks and key not in self._given:
            for number, (offer, words) in enumerate(offers.items(), 1):
                print(f"  {number}) {offer}{f'  ({words})' if words else ''}")
        listed = dict(enumerate(offers, 1))

        def meant(text: str) -> str:
            chosen = text.isdecimal() and len(text) < 6 and self._asks and key not in self._given
            return listed.get(int(text), text) if chosen else text

        text = self.answer(key, question, default, Rule(rule.expected, lambda text: text == default or rule.holds(meant(text))))
        return text if text == default else meant(text)

    def yes(self, key: str, question: str, default: bool) -> bool:
        return self.answer(key, f"{question} (yes or no)", "yes" if default else "no", YES_OR_NO).lower() in _YES

    def confirmed(self, question: str) -> bool:
        """The last word before something is done; where nobody is asked, it was given with --yes."""
        return not self._asks or self.yes("", question, default=True)

    def refuse_unused(self) -> None:
        """A misspelt answer must not pass for one that was taken."""
        for key in self._given.keys() - self._used:
            close = difflib.get_close_matches(key, self._used, n=1)
            hint = f'did you mean "{close[0]}"?' if close else "it was not asked for"
            raise BadConfig(f'there is no answer "{shown(key)}"; {hint}')

    def _text(self, key: str, question: str, default: str, secret: bool) -> tuple[str, bool]:
        self._used.add(key)
        if key in self._given:
            return self._given[key], False
        if not self._asks:
            return default, False
        if secret:
            return getpass.getpass(f"{question}{' [unchanged]' if default else ''}: ") or default, True
        return input(f"{question} [{default}]: ").strip() or default, True


def given(options: argparse.Namespace) -> dict[str, str]:
    """Answers from the command line, and below them those of the answers file; raises `BadConfig` for a file that is none."""
    answers = _from_file(options.answers) if options.answers else {}
    for key in ("site", "gate", "camera", "host", "port", "ca", "user", "provider"):
        if (value := getattr(options, key)) is not None:
            answers[key] = value
    if options.tls is not None:
        answers["tls"] = "yes" if options.tls else "no"
    for pair in options.set:
        key, _, value = pair.partition("=")
        answers[key] = value
    for pair in options.secret:
        key, _, name = pair.partition("=")
        answers[key] = _read(Path(name)).rstrip("\n")
    return answers


def _from_file(file: Path) -> dict[str, str]:
    read = toml(file, source_of(file))
    for key, value in read.items():
        if not isinstance(value, str | int | float) or (isinstance(value, int) and abs(value) > _LARGEST):
            raise BadConfig(f"{file}: the answer {shown(key)} must be a text, a number, true or false")
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in read.items()}


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise BadConfig(f"{file}: cannot be read as UTF-8 text: {exc}") from exc
