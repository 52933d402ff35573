import builtins
import contextlib
import functools
import os
import pickle
import struct
from collections import OrderedDict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import DataError, UnsafeFile
from tests.training.sources.archives import python2_batch, rows
from training.sources import safe_pickle

PROTOCOLS = (2, 3, 4, 5)
DTYPES = ("b1", "u1", "i1", "<u2", ">i4", "<i8", ">f4", "<f8", "f2")
HEAD = b"\x80\x02"
PENDING = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"


def dtype(code: bytes, fields: bytes = b"NNN", order: bytes = b"|") -> bytes:
    size = bytes((len(code),))
    return (
        b"cnumpy\ndtype\nU"
        + size
        + code
        + b"K\x00K\x01\x87R(K\x03U\x01"
        + order
        + fields
        + b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )


def array(shape: bytes, raw: bytes, kind: bytes | None = None) -> bytes:
    return PENDING + b"(K\x01" + shape + (kind or dtype(b"u1")) + b"\x89T" + struct.pack("<i", len(raw)) + raw + b"tb"


def stack_global(module: str, name: str) -> bytes:
    return b"\x80\x04" + b"".join(b"\x8c" + bytes((len(part),)) + part.encode() for part in (module, name)) + b"\x93"


class Calls:
    """Pickles to a call of `function`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


class TestWhatIsRead:
    @pytest.mark.parametrize("protocol", PROTOCOLS)
    @pytest.mark.parametrize("code", DTYPES)
    @pytest.mark.parametrize("order", ["C", "F"])
    def test_arrays_come_back_exactly(self, protocol: int, code: str, order: Any) -> None:
        given_array = np.arange(24).reshape(2, 3, 4).astype(code, order=order)
        read = safe_pickle.load(pickle.dumps(given_array, protocol))
        assert type(read) is np.ndarray
        assert read.dtype == given_array.dtype
        np.testing.assert_array_equal(read, given_array)

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    @pytest.mark.parametrize("shape", [(), (0,), (0, 3072), (5, 0, 2)])
    def test_scalar_and_empty_arrays(self, protocol: int, shape: tuple[int, ...]) -> None:
        read = safe_pickle.load(pickle.dumps(np.zeros(shape, np.uint8), protocol))
        assert isinstance(read, np.ndarray)
        assert read.shape == shape

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_views_that_are_not_contiguous(self, protocol: int) -> None:
        whole = np.arange(60).reshape(3, 4, 5)
        for view in (whole.transpose(1, 0, 2), whole[::2], whole[:, ::-1]):
            np.testing.assert_array_equal(safe_pickle.load(pickle.dumps(view, protocol)), view)

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_arrays_that_share_a_dtype_and_one_that_stands_twice(self, protocol: int) -> None:
        first, second = np.arange(3), np.arange(4)
        read: Any = safe_pickle.load(pickle.dumps([first, second, first], protocol))
        np.testing.assert_array_equal(read[1], second)
        np.testing.assert_array_equal(read[0], first)
        assert read[0] is read[2]

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.tuples(inner, inner)
                | st.dictionaries(st.text() | st.integers(0, 9) | st.binary(), inner, max_size=4)
            ),
            max_leaves=12,
        ),
        st.sampled_from(PROTOCOLS),
    )
    @settings(max_examples=60, deadline=None)
    def test_plain_data_comes_back_as_the_standard_library_reads_it(self, value: object, protocol: int) -> None:
        assert safe_pickle.load(pickle.dumps(value, protocol)) == value

    def test_python_2_bytes_stay_exact_and_its_text_is_str(self) -> None:
        data = np.arange(512, dtype=np.uint16).astype(np.uint8).reshape(2, 256)  # every value of a byte
        read: Any = safe_pickle.load(python2_batch(data, [0, 8]))
        np.testing.assert_array_equal(read["data"], data)
        assert list(read) == ["data", "labels"]
        assert read["labels"] == [0, 8]

    def test_arrays_are_read_only(self) -> None:
        read: Any = safe_pickle.load(pickle.dumps(np.arange(3), 5))
        with pytest.raises(ValueError, match="read-only"):
            read[0] = 1


class TestWhatIsRefused:
    @pytest.mark.parametrize("protocol", [0, 1, *PROTOCOLS])
    @pytest.mark.parametrize(
        ("function", "arguments", "named"),
        [
            (os.system, ("touch {marker}",), f"{os.name}.system"),
            (eval, ("__import__('os').system('touch {marker}')",), "eval"),
            (exec, ("open('{marker}', 'w')",), "exec"),
            (getattr, (builtins, "eval"), "getattr"),
            (functools.partial, (print,), "functools.partial"),
            (Path, ("x",), "Path"),
            (OrderedDict, (), "OrderedDict"),
            (date, (b"\x07\xe8\x01\x01",), "date"),
            (np.fromfile, ("/etc/hostname",), "fromfile"),
        ],
    )
    def test_calls_are_refused_by_name_and_do_not_happen(
        self, tmp_path: Path, protocol: int, function: Any, arguments: tuple[object, ...], named: str
    ) -> None:
        marker = tmp_path / "marker"
        filled = [value.replace("{marker}", str(marker)) if isinstance(value, str) else value for value in arguments]
        picked = pickle.dumps(Calls(function, *(value for value in filled if value is not builtins)), protocol)
        with pytest.raises(UnsafeFile) as caught:
            safe_pickle.load(picked)
        assert named in str(caught.value)
        assert named in str(caught.value.facts["wanted"])
        assert not marker.exists()

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_a_call_deep_inside_data(self, protocol: int) -> None:
        hidden = {"data": np.zeros(3), "labels": [0, {"more": (1, [Calls(os.system, "true")])}]}
        with pytest.raises(UnsafeFile, match="system"):
            safe_pickle.load(pickle.dumps(hidden, protocol))

    @pytest.mark.parametrize(
        "picked",
        [
            stack_global("posix", "system") + b"\x8c\x04true\x85R.",
            # dots that would walk from an allowed name to another
            stack_global("numpy._core.multiarray", "_reconstruct.__globals__.get") + b".",
            stack_global("numpy", "ndarray.tofile") + b".",
            stack_global("numpy", "dtype.__base__") + b".",
            stack_global("numpy", "ndarray\0") + b".",
            stack_global("", "") + b".",
            b"cnumpy\ncore.multiarray._reconstruct\n.",
            b"(ios\nsystem\n.",  # INST
            b"c__builtin__\neval\n.",
            b"c__builtin__\ngetattr\n.",
            b"cnumpy.core.multiarray\nscalar\n.",
            b"cnumpy\nobject_\n.",
            b"c_codecs\ndecode\n.",
            b"ccopy_reg\n_reconstructor\n.",
            b"cnumpy ndarray\n\n.",
            b"c" + b"a" * 10_000 + b"\nb\n.",
        ],
    )
    def test_names_are_refused_however_they_are_written(self, picked: bytes) -> None:
        with pytest.raises(UnsafeFile, match="asks for") as caught:
            safe_pickle.load(picked)
        assert len(str(caught.value)) < 400

    @pytest.mark.parametrize(
        ("instruction", "picked"),
        [
            ("PERSID", b"Pname\n."),
            ("BINPERSID", b"\x80\x02K\x01Q."),
            ("EXT1", b"\x80\x02\x82\x01."),
            ("EXT2", b"\x80\x02\x83\x01\x00."),
            ("EXT4", b"\x80\x02\x84\x01\x00\x00\x00."),
            ("NEWOBJ", b"\x80\x02cnumpy\nndarray\nK\x05\x85\x81."),
            ("NEWOBJ_EX", b"\x80\x04cnumpy\nndarray\n)}\x92."),
            ("OBJ", b"\x80\x02(cnumpy\nndarray\nK\x05o."),
            ("NEXT_BUFFER", b"\x80\x05\x97."),
            ("READONLY_BUFFER", b"\x80\x05C\x01a\x98."),
            ("DUP", b"\x80\x02]2a."),
            ("EMPTY_SET", b"\x80\x04\x8f."),
            ("FROZENSET", b"\x80\x04(K\x01\x91."),
        ],
    )
    def test_instructions_that_data_does_not_need(self, instruction: str, picked: bytes) -> None:
        with pytest.raises(UnsafeFile, match=rf"\b{instruction}\b"):
            safe_pickle.load(picked)

    @pytest.mark.parametrize(
        "picked",
        [
            PENDING + b".",  # announced, never filled
            b"]" + PENDING + b"a.",
            b"cnumpy\nndarray\n.",
            b"]cnumpy\ndtype\na.",
            b"}U\x01acnumpy\ndtype\ns.",
            b"]cnumpy\nndarray\n\x85a.",  # inside a tuple
            dtype(b"u1") + b".",
        ],
    )
    def test_names_and_unfinished_arrays_are_no_data(self, picked: bytes) -> None:
        with pytest.raises(UnsafeFile, match="where data is due"):
            safe_pickle.load(HEAD + picked)

    @pytest.mark.parametrize(
        "picked",
        [
            b"cnumpy\nndarray\nK\x05\x85R.",  # a real ndarray of a size the file chooses
            b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\ndtype\nK\x00\x85U\x01b\x87R.",
            b"c_codecs\nencode\nU\x01aU\x03zip\x86R.",
            b"c_codecs\nencode\nU\x01a\x85R.",
            b"c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R.",  # 2 GiB of zeros
            b"K\x01)R.",
            b"]K\x01R.",
            b"cnumpy.core.numeric\n_frombuffer\nU\x01a" + dtype(b"u1") + b"K\x01\x85U\x01C" + b"tR.",
        ],
    )
    def test_allowed_names_do_only_what_arrays_need(self, picked: bytes) -> None:
        with pytest.raises(DataError):
            safe_pickle.load(HEAD + picked)

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    @pytest.mark.parametrize(
        "value",
        [
            np.array([1, "a", None], dtype=object),
            np.zeros(2, [("a", "i4"), ("b", "f8")]),
            np.array(["text"]),
            np.array([b"bytes"]),
            np.array(["2026-01-01"], "datetime64[D]"),
            np.zeros(2, complex),
            np.float64(1.5),
            np.ma.masked_array([1, 2], [True, False]),
        ],
        ids=["object", "structured", "text", "bytes", "date", "complex", "scalar", "masked"],
    )
    def test_arrays_of_anything_but_plain_numbers(self, protocol: int, value: object) -> None:
        with pytest.raises(UnsafeFile):
            safe_pickle.load(pickle.dumps(value, protocol))

    @pytest.mark.parametrize(
        "picked",
        [
            array(b"K\x02K\x02\x86", b"abc"),
            array(b"K\x02\x85", b"abc"),
            array(b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", b"abc"),  # 4 EiB
            array(b"J\xff\xff\xff\xff\x85", b"abc"),  # a side of -1
            array(b"G?\xf0\x00\x00\x00\x00\x00\x00\x85", b"a"),  # a side of 1.0
            array(b"\x88\x85", b"a"),  # a side of True
            array(b"(" + b"K\x01" * 9 + b"t", b"a"),  # nine axes
            array(b"K\x01\x85", b"a", dtype(b"O8")),
            array(b"K\x01\x85", b"a", dtype(b"V1")),
            array(b"K\x01\x85", b"a", dtype(b"u1", b"U\x01aNN")),
            array(b"K\x01\x85", b"a", dtype(b"u1", order=b"!")),
            array(b"K\x01\x85", b"a") + b"(K\x01K\x01\x85" + dtype(b"u1") + b"\x89U\x01btb",  # filled a second time
            array(b"K\x01\x85", b"a", dtype(b"u1"))[:-2] + b"K\x01tb",  # one value too many
            b"]}b",
            b"}}U\x09__class__K\x01sb",
        ],
    )
    def test_arrays_whose_facts_disagree(self, picked: bytes) -> None:
        with pytest.raises(UnsafeFile):
            safe_pickle.load(HEAD + picked + b".")

    def test_a_zero_sized_array_of_huge_sides(self) -> None:
        sides = b"(K\x00" + b"J\xff\xff\xff\x7f" * 3 + b"t"
        with pytest.raises(DataError):
            safe_pickle.load(HEAD + array(sides, b"") + b".")

    @pytest.mark.parametrize("axes", [b"K\x00K\x00\x86", b"K\x00K\x05\x86", b"K\x00\x85", b"K\x00]\x86", b"K\x00U\x011\x86"])
    def test_axes_that_are_none(self, axes: bytes) -> None:
        arguments = b"(C\x04abcd" + dtype(b"u1") + b"K\x02K\x02\x86U\x01K" + axes + b"t"
        with pytest.raises(UnsafeFile):
            safe_pickle.load(b"\x80\x03cnumpy.core.numeric\n_frombuffer\n" + arguments + b"R.")


class TestBombs:
    def test_memo_index_chosen_by_the_file(self) -> None:
        assert safe_pickle.load(b"\x80\x02]r\xff\xff\xff\xff.") == []  # the C unpickler allocates 64 GiB for this

    @pytest.mark.parametrize("opener", [b"]", b"}", b"(", b")\x85"])
    def test_too_many_instructions(self, opener: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(safe_pickle, "MAX_INSTRUCTIONS", 1000)
        with pytest.raises(UnsafeFile, match="instructions"):
            safe_pickle.load(HEAD + opener * 2000 + b".")

    def test_deep_nesting_is_read_without_recursion(self) -> None:
        depth = 100_000
        nested: Any = safe_pickle.load(HEAD + b"]" * depth + b"a" * (depth - 1) + b".")
        for _ in range(depth - 1):
            [nested] = nested
        assert nested == []

    def test_a_deeply_nested_tuple_is_no_key(self) -> None:
        with pytest.raises(UnsafeFile, match="key"):
            safe_pickle.load(HEAD + b"})" + b"\x85" * 100_000 + b"K\x01s.")

    def test_the_same_text_encoded_over_and_over(self) -> None:
        text = b"T" + struct.pack("<i", 10_000) + b"a" * 10_000 + b"q\x00"
        again = b"(c_codecs\nencode\nh\x00U\x06latin1\x86R" * 3
        with pytest.raises(UnsafeFile, match="more bytes than it holds"):
            safe_pickle.load(HEAD + text + again + b".")

    def test_a_text_of_huge_declared_length(self) -> None:
        for picked in (
            b"T\xff\xff\xff\x7fa.",
            b"X\xff\xff\xff\xffa.",
            b"\x8d" + b"\xff" * 7 + b"\x7fa.",
            b"\x96" + b"\xff" * 7 + b"\x7fa.",
        ):
            with pytest.raises(DataError):
                safe_pickle.load(HEAD + picked)

    def test_an_integer_of_a_million_digits(self) -> None:
        with pytest.raises(UnsafeFile, match="64 bits"):
            safe_pickle.load(HEAD + b"\x8b" + struct.pack("<i", 1_000_000) + b"\x7f" * 1_000_000 + b".")

    def test_a_list_that_holds_itself_ends(self) -> None:
        read: Any = safe_pickle.load(HEAD + b"]q\x00h\x00a.")
        assert read[0] is read


class TestBroken:
    WHOLE = python2_batch(rows(2, 12), [1, 2])

    def test_every_truncation_is_a_clear_error(self) -> None:
        for length in range(len(self.WHOLE)):
            with pytest.raises(DataError):
                safe_pickle.load(self.WHOLE[:length])

    @given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
    @settings(max_examples=150, deadline=None)
    def test_one_changed_byte_is_read_or_refused(self, at: int, value: int) -> None:
        changed = bytearray(self.WHOLE)
        changed[at] = value
        with contextlib.suppress(DataError):
            safe_pickle.load(bytes(changed))

    @given(st.binary(max_size=60))
    @settings(max_examples=150, deadline=None)
    def test_garbage_is_read_or_refused(self, garbage: bytes) -> None:
        for head in (b"", HEAD, b"\x80\x05"):
            with contextlib.suppress(DataError):
                safe_pickle.load(head + garbage + b".")

    @pytest.mark.parametrize(
        "picked",
        [b"", b".", b"\x80\x02.", b"\x80\x02K\x01K\x02.", b"\x80\x02a.", b"\x80\x02h\x05.", b"\x80\x02}(K\x01u.", b"\x80\x02t."],
    )
    def test_stack_and_memo_that_do_not_add_up(self, picked: bytes) -> None:
        with pytest.raises(DataError, match="Not a readable pickle"):
            safe_pickle.load(picked)

    def test_a_protocol_of_the_future(self) -> None:
        with pytest.raises(UnsafeFile, match="protocol 9"):
            safe_pickle.load(b"\x80\x09N.")
