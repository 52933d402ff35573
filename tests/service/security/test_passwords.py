"""What a password or PIN must be, and that a hash tells one from another."""

import pytest
from argon2 import PasswordHasher

from service.errors import InvalidRequest
from service.security.passwords import HASHER, hashed, matches, proper_password, proper_pin
from tests.service.security.conftest import QUICK


@pytest.mark.parametrize("pin", ["4826", "1939", "2030", "1004", "90817263", "４８２６"])
def test_a_pin_of_four_to_eight_digits_is_one(pin: str) -> None:
    assert proper_pin(pin).isascii()


@pytest.mark.parametrize(
    "pin",
    [
        "",
        "258",
        "123456789",
        "25a0",
        "-258",
        "2 58",
        "٤٨٢٦",
        "25.8",
        "1111",
        "1234",
        "87654321",
        "2580",
        "1212",
        "123123",
        "25252",
        "1940",
        "1987",
        "2029",
        "１９８７",
        "2468",
        "11223344",
    ],
)
def test_other_pins_are_refused_without_showing_them(pin: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        proper_pin(pin)
    assert not pin or pin not in str(refusal.value)


@pytest.mark.parametrize("password", ["", "seven77", "x" * 257, "with\x00control", "lone\ud800surrogate"])
def test_a_password_that_is_short_long_or_cannot_be_typed_is_refused_without_showing_it(password: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        proper_password(password)
    assert not password or password not in str(refusal.value)


def test_letters_typed_in_two_ways_are_one_password() -> None:
    assert proper_password("きゅうりがとてもすき") == proper_password("きゅうりか\u3099とてもすき")
    assert proper_password("Gru\u0308ne Gurke") == proper_password("Gr\u00fcne Gurke")


def test_a_hash_is_argon2id_with_a_salt_of_its_own_and_without_the_password() -> None:
    first, second = hashed("cucumber sandwich"), hashed("cucumber sandwich")
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert first != second
    assert "cucumber" not in first
    assert matches(first, "cucumber sandwich")
    assert not matches(first, "cucumber sandwicH")


@pytest.mark.parametrize("kept", [None, "", "not a hash", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$!!"])
def test_without_a_proper_hash_nothing_matches(kept: str | None) -> None:
    assert not matches(kept, "", QUICK)
    assert not matches(kept, "anything", QUICK)


def test_a_secret_of_megabytes_or_of_broken_letters_is_simply_wrong() -> None:
    kept = hashed("x" * 256, QUICK)
    assert matches(kept, "x" * 256, QUICK)
    assert not matches(kept, "x" * 5_000_000, QUICK)
    assert not matches(kept, "\ud800", QUICK)


def test_an_unknown_name_is_hashed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the time of an answer would tell which names there are."""
    verified: list[str] = []

    class Watched(PasswordHasher):
        def verify(self, kept: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]
            verified.append(str(kept))
            return super().verify(kept, password)

    watched = Watched(time_cost=1, memory_cost=8, parallelism=1)
    assert not matches(None, "cucumber sandwich", watched)
    assert len(verified) == 1
    assert verified[0].startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert HASHER.memory_cost == 65536
