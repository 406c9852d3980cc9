"""Some hundred inputs for every parser of foreign bytes; a million of them is `make fuzz`."""

import random
import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fuzz import mutate
from tests.fuzz.targets import CORPUS, TARGETS

SLOW_S = 1.0
COSTLY = {"heads", "poison", "store", "video"}  # milliseconds each


@pytest.mark.parametrize("name", TARGETS)
def test_what_once_led_to_a_crash_leads_to_a_sentence(name: str) -> None:
    for content in TARGETS[name].begins_with(name):
        began = time.process_time()
        TARGETS[name].run(content)
        assert time.process_time() - began < SLOW_S


@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_from_outside_bring_more_than_a_sentence(name: str) -> None:
    target = TARGETS[name]
    seeds = list(target.begins_with(name)) or [b""]

    @settings(max_examples=40 if name in COSTLY else 150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(seeds), st.integers(0, 2**32), st.binary(max_size=64))
    @example(b"", 0, b"")
    def tried(seed: bytes, number: int, noise: bytes) -> None:
        dice = random.Random(number)
        changed = target.mutate(seed, dice)
        for content in (changed, mutate.as_bytes(changed, dice), noise):
            target.run(content[: target.longest])

    tried()


def test_every_target_has_a_corpus_and_all_of_it_stays_small() -> None:
    files = [file for file in CORPUS.rglob("*") if file.is_file()]
    assert {file.relative_to(CORPUS).parts[0] for file in files} == set(TARGETS)
    assert sum(file.stat().st_size for file in files) < 200_000


def test_the_full_form_has_a_million_inputs() -> None:
    assert sum(target.inputs for target in TARGETS.values()) >= 1_000_000
