import codecs
import encodings.aliases
import gc
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starsight.errors import DataError
from starsight.ingest.decoding import BYTE_ORDER_MARKS, decode, text_of
from starsight.ingest.raw import Reading

REFUSED = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "utf_7"} | {
    "base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec", "mbcs",
}  # fmt: skip
ACCEPTED = sorted(set(encodings.aliases.aliases.values()) - REFUSED | {"utf_8_sig", "utf-8"})
MARKS = tuple(mark for mark, _ in BYTE_ORDER_MARKS)


def decoded(content: bytes, encoding: str = "utf-8", newline: str = "") -> tuple[str, int]:
    reading = Reading()
    return decode(io.BytesIO(content), encoding, reading, newline).read(), reading.undecodable


def test_text_in_its_encoding_is_read_as_it_is():
    for encoding in ("utf-8", "utf-16-le", "latin-1", "cp1252", "UTF8"):
        assert decoded("naïve café\0 «½»".encode(encoding), encoding) == ("naïve café\0 «½»", 0)


def test_damage_in_utf8_is_read_as_windows_1252_and_counted():
    assert decoded("it’s a caf".encode() + b"\xe9, I\x92m sure") == ("it’s a café, I’m sure", 2)
    assert decoded(b"cut in the middle: \xe2\x80") == ("cut in the middle: â€", 1)
    assert decoded(bytes([0x81, 0x8D, 0x8F, 0x90, 0x9D])) == ("\x81\x8d\x8f\x90\x9d", 5)


def test_damage_in_other_encodings_is_marked_and_counted():
    assert decoded(b"caf\xe9!", "ascii") == ("caf�!", 1)
    assert decoded(b"\x81 and \x9d", "cp1252") == ("� and �", 2)
    assert decoded("ok".encode("utf-16-le") + b"\x00\xd8" + "!".encode("utf-16-le"), "utf-16-le") == ("ok�!", 1)


@pytest.mark.parametrize("encoding", ["utf-8", "utf8", "utf-8-sig"])
def test_a_byte_order_mark_is_taken_away(encoding):
    assert decoded(codecs.BOM_UTF8 + b"text,stars", encoding) == ("text,stars", 0)
    assert decoded(codecs.BOM_UTF8 * 2, encoding) == ("\ufeff", 0)
    assert decoded(codecs.BOM_UTF8[:2], encoding) == ("ï»", 1)


@pytest.mark.parametrize("kind", ["utf-16", "utf-32"])
@pytest.mark.parametrize("order", ["-le", "-be"])
def test_utf16_and_utf32_with_their_mark_are_recognised(kind, order):
    content = ("\ufeff" + "great 👍").encode(kind + order)
    for named in ("utf-8", kind, kind + order):
        assert decoded(content, named) == ("great 👍", 0)


def test_an_encoding_that_promises_a_mark_must_keep_it():
    assert decoded(b"", "utf-16") == ("", 0)
    with pytest.raises(DataError, match=r"byte-order mark that 'UTF16' promises; write utf-16-le or utf-16-be"):
        decoded("text".encode("utf-16-le"), "UTF16")


@pytest.mark.parametrize("encoding", [*sorted(REFUSED), "utf-9", "", "a\0b", "\ud800", "../utf-8"])
def test_what_is_no_text_encoding_is_refused(encoding):
    with pytest.raises(DataError, match=r"is no text encoding; correct encoding in params\.yaml") as refusal:
        decoded(b"text", encoding)
    assert len(str(refusal.value).splitlines()) == 1


def test_line_ends_are_kept_as_the_reader_wants_them():
    lines = b"a\r\nb\rc\nd"
    assert list(decode(io.BytesIO(lines), "utf-8", Reading(), "\n")) == ["a\r\n", "b\rc\n", "d"]
    assert list(decode(io.BytesIO(lines), "utf-8", Reading(), "")) == ["a\r\n", "b\r", "c\n", "d"]


def test_every_reading_counts_its_own():
    first, second = Reading(), Reading()
    one, two = (decode(io.BytesIO(b"\xff\n" * 3), "utf-8", reading, "\n") for reading in (first, second))
    one.readline(), two.read(), one.readline()
    assert decode(io.BytesIO(b"\xff"), "ascii", first, "\n").read() == "�"
    one.read()
    assert (first.undecodable, second.undecodable) == (4, 3)
    for _ in range(100):  # of readings that are gone, no count reaches a new one
        reading = Reading()
        decode(io.BytesIO(b"\xff"), "utf-8", reading, "\n").read()
        assert reading.undecodable == 1
        del reading
        gc.collect(0)


@pytest.mark.parametrize("encoding", ACCEPTED)
@settings(max_examples=25, deadline=None)
@given(content=st.binary(max_size=40) | st.lists(st.sampled_from([b"\x1b$B", b"~{", b"\xff", b"a"])).map(b"".join))
def test_no_bytes_stop_the_reading(encoding, content):
    if encoding in ("utf_16", "utf_32"):
        content = codecs.BOM_UTF16 + content if encoding == "utf_16" else codecs.BOM_UTF32 + content
    text, n_places = decoded(content, encoding)
    text.encode()  # holds whole characters only
    assert n_places >= text.count("�") - content.count("�".encode()) - content.count(b"\xfd")


@settings(max_examples=300, deadline=None)
@given(content=st.lists(st.binary(max_size=6) | st.text(max_size=6).map(lambda text: text.encode())).map(b"".join))
def test_no_letter_beside_the_damage_is_lost(content):
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        return
    text, n_places = decoded(content)
    ascii_bytes = bytes(byte for byte in content if byte < 128)
    assert "".join(letter for letter in text if letter < "\x80").encode() == ascii_bytes
    assert (n_places == 0) == (content == text.encode() or content == codecs.BOM_UTF8 + text.encode())


@settings(max_examples=200, deadline=None)
@given(text=st.text())
def test_utf8_is_read_as_it_is(text):
    assert decoded(codecs.BOM_UTF8 + text.encode()) == (text, 0)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_a_typed_source_are_read_as_those_of_a_file(kind):
    reading = Reading()
    assert text_of(kind("café".encode()), reading) == "café"
    assert (text_of(None, reading), text_of(4.5, reading), text_of(kind(b""), reading)) == ("", "4.5", "")
    assert reading.undecodable == 0
    assert text_of(kind(b"caf\xe9 cr\x8fme"), reading) == "café cr\x8fme"
    assert reading.undecodable == 2


@given(st.binary(max_size=60).filter(lambda content: not content.startswith(MARKS)))
def test_bytes_of_a_typed_source_and_of_a_file_are_the_same_text(content):
    of_value, of_file = Reading(), Reading()
    assert text_of(content, of_value) == decode(io.BytesIO(content), "utf-8", of_file, newline="").read()
    assert of_value == of_file
