"""What waits on disk while the database is away: whole lines or none, found again by whoever comes next."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.grading import Grading
from service.records import journal as module
from service.records.entry import Entry
from service.records.journal import Journal, JournalFull, Orphan, decode, decode_all, encode
from tests.service.gradings import grading

MEBIBYTE = 2**20


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal", MEBIBYTE)


def entries(*ones: Grading) -> list[Entry]:
    return [Entry(one) for one in ones]


def keyed(key: str, **changes: Any) -> Grading:
    return grading(idempotency_key=f":{key}", body_sha256="a" * 64, **changes)


def held(journal: Journal | Orphan) -> list[Grading]:
    return [entry.grading for entry in decode_all(journal.head(1000)) if entry]


def left_behind(folder: Path) -> list[Grading]:
    found = []
    for orphan in Journal(folder, MEBIBYTE).left_behind():
        found += held(orphan)
    return found


def abandon(journal: Journal) -> None:
    """As when its process is killed: the lock goes, the file stays."""
    os.close(journal._file)


def test_a_line_is_all_of_an_entry() -> None:
    full = keyed("k", captured_at=grading().received_at, lot="北\n", measurement={"length_px": 1.5}, key_id="c", interest=2)
    for entry in (Entry(full, shared=True), Entry(grading(grade=None))):
        assert decode(encode(entry)) == entry
    assert b"\n" not in encode(Entry(full))


def test_nothing_is_made_before_it_is_needed(journal: Journal, tmp_path: Path) -> None:
    assert not journal.waiting
    assert journal.head(5) == []
    assert list(journal.left_behind()) == []
    journal.close()
    assert not (tmp_path / "journal").exists()


def test_gradings_wait_in_order_and_go_in_parts(journal: Journal) -> None:
    ones = [grading(number) for number in range(7)]
    assert journal.append(entries(*ones[:5])) == ones[:5]
    assert journal.append(entries(*ones[5:])) == ones[5:]
    found = []
    while lines := journal.head(3):
        found += [entry.grading for entry in decode_all(lines) if entry]
        assert len(lines) <= 3
        journal.drop(lines[-1].end)
    assert found == ones
    assert not journal.waiting
    late = grading(9)
    journal.append(entries(late))
    assert held(journal) == [late]


def test_what_came_while_a_part_was_put_on_record_stays(journal: Journal) -> None:
    first, second = grading(1), grading(2)
    journal.append(entries(first))
    lines = journal.head(10)
    journal.append(entries(second))
    journal.drop(lines[-1].end)
    assert held(journal) == [second]


def test_a_key_is_known_until_it_is_on_record(journal: Journal) -> None:
    first, other, repeat = keyed("a"), keyed("b"), keyed("a")
    assert journal.append(entries(grading(), first, repeat))[1:] == [first, first]
    assert journal.append(entries(repeat, other)) == [first, other]
    assert journal.of_key(":a") == first
    assert journal.of_key(":none") is None
    lines = journal.head(10)
    assert len(lines) == 3  # one of each
    journal.drop(lines[1].end)
    assert journal.of_key(":a") is None
    assert journal.of_key(":b") == other


def test_a_full_journal_takes_nothing_and_stays_as_it_is(tmp_path: Path) -> None:
    one = grading()
    size = len(encode(Entry(one))) + 1
    journal = Journal(tmp_path, 2 * size + 10)
    journal.append(entries(one))
    with pytest.raises(JournalFull, match="may wait in the journal"):
        journal.append(entries(grading(1), grading(2)))
    assert held(journal) == [one]
    other = Journal(tmp_path, 2 * size + 10)  # the bound is for all processes together
    other.append(entries(one))
    with pytest.raises(JournalFull):
        journal.append(entries(one))
    journal.drop(journal.head(1)[-1].end)
    journal.append(entries(one))


def test_a_disk_that_fills_up_leaves_no_half_line(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    one = keyed("a")
    journal.append(entries(one))

    def half(file: int, data: bytes, offset: int) -> None:
        os.pwrite(file, data[: len(data) // 2], offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(module, "_write_all", half)
        with pytest.raises(OSError, match="No space left"):
            journal.append(entries(keyed("b")))
    assert journal.of_key(":b") is None
    two = grading(2)
    journal.append(entries(two))
    assert held(journal) == [one, two]


def test_the_file_of_a_dead_process_is_found_and_that_of_a_living_one_is_not(journal: Journal, tmp_path: Path) -> None:
    one = grading(1)
    journal.append(entries(one))
    assert left_behind(tmp_path / "journal") == []
    abandon(journal)
    assert left_behind(tmp_path / "journal") == [one]
    finder = Journal(tmp_path / "journal", MEBIBYTE)
    for orphan in finder.left_behind():
        assert list(Journal(tmp_path / "journal", MEBIBYTE).left_behind()) == []  # one at a time
        orphan.drop(orphan.head(10)[-1].end)
        assert orphan.head(10) == []
        orphan.remove()
    assert list((tmp_path / "journal").iterdir()) == []


def test_closing_keeps_what_waits_and_nothing_else(journal: Journal, tmp_path: Path) -> None:
    one = grading(1)
    journal.append(entries(one))
    journal.close()
    journal.close()
    assert left_behind(tmp_path / "journal") == [one]
    empty = Journal(tmp_path / "empty", MEBIBYTE)
    empty.append(entries(one))
    empty.drop(empty.head(1)[-1].end)
    empty.close()
    assert list((tmp_path / "empty").iterdir()) == []


@settings(max_examples=60)
@given(cut=st.integers(0, 3000))
def test_a_file_cut_off_anywhere_gives_its_whole_lines(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("cut")
    journal = Journal(folder, MEBIBYTE)
    ones = [grading(number) for number in range(3)]
    journal.append(entries(*ones))
    ends = [line.end for line in journal.head(10)]
    abandon(journal)
    (path,) = folder.iterdir()
    os.truncate(path, min(cut, ends[-1]))
    assert left_behind(folder) == ones[: sum(end <= cut for end in ends)]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a flipped bit": lambda line: line[:100] + bytes([line[100] ^ 1]) + line[101:],
    "no checksum": lambda line: line[9:],
    "nothing": lambda line: b"",
    "zeros": lambda line: bytes(len(line)),
    "another format": lambda line: encode_text(b'{"shared":false}'),
    "no object": lambda line: encode_text(b"[1]"),
}


def encode_text(text: bytes) -> bytes:
    return b"%08x " % module.crc32(text) + text


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_line_is_left_out_and_said_so(
    journal: Journal, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    ones = [grading(number) for number in range(3)]
    journal.append(entries(*ones))
    abandon(journal)
    (path,) = (tmp_path / "journal").iterdir()
    lines = path.read_bytes().split(b"\n")
    lines[1] = DAMAGES[damage](lines[1])
    path.write_bytes(b"\n".join(lines))
    assert left_behind(tmp_path / "journal") == [ones[0], ones[2]]
    assert "1 lines of a journal are damaged" in caplog.text


def test_long_journals_are_read_in_parts(journal: Journal) -> None:
    ones = [grading(number) for number in range(500)]
    for start in range(0, 500, 100):
        journal.append(entries(*ones[start : start + 100]))
    assert held(journal) == ones


def test_a_line_of_a_version_before_lacks_columns_that_came_later() -> None:
    row = orjson.loads(encode(Entry(grading())).partition(b" ")[2])
    del row["key_id"], row["photograph_interest"]
    assert decode(encode_text(orjson.dumps(row))).grading.key_id is None


def test_a_line_that_is_met_again_is_set_aside_once(journal: Journal) -> None:
    journal.append(entries(grading()))
    for text in (b"a", b"b", b"a"):
        journal.refuse(text)
    assert journal.refused.read_bytes() == b"a\nb\n"
