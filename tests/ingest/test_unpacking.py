import bz2
import gzip
import io
import lzma
import os
import random
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from starsight.errors import DataError
from starsight.ingest import unpacking
from starsight.ingest.unpacking import Archive, unpack

TABLE = b"text,stars\n" + b"".join(b"%d is a fine number,%d\n" % (n, n % 5 + 1) for n in range(5000))


def zipped(*contents: bytes, **named: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in ({f"{n}.csv": content for n, content in enumerate(contents)} | named).items():
            file.writestr(name, content)
    return archive.getvalue()


def zstd(content: bytes) -> bytes:
    return pa.compress(content, codec="zstd", asbytes=True)


STREAMS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd}
PACKERS = STREAMS | {"zip": zipped}


def opened(content: bytes, members: str | None = None, max_expansion: int = 200) -> Iterator[tuple[str, bytes]]:
    archive = Archive("data/raw/r.gz", len(content), max_expansion)
    with tempfile.NamedTemporaryFile() as file:  # on disk: a real file answers damaged offsets in its own way
        file.write(content)
        file.flush()
        with Path(file.name).open("rb") as packed:
            for name, stream in unpack(packed, "r.gz", archive, members):
                yield name, stream.read()


def unpacked(content: bytes, **settings: int) -> bytes:
    [(_, inside)] = opened(content, **settings)
    return inside


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_packed_files_read_like_plain_ones(pack):
    for content in (TABLE, b"", b"x", os.urandom(300_000)):
        assert unpacked(pack(content)) == content
    assert unpacked(TABLE) == TABLE


@pytest.mark.parametrize("pack", STREAMS.values(), ids=STREAMS)
def test_streams_that_are_joined_are_read_to_the_last(pack):
    parts = [b"", TABLE, b"", b"last,1\n", b""]
    assert unpacked(b"".join(map(pack, parts))) == b"".join(parts)


def test_filling_between_and_after_streams_is_no_damage():
    assert unpacked(lzma.compress(b"a") + bytes(400_000) + lzma.compress(b"b") + bytes(8)) == b"ab"
    assert unpacked(gzip.compress(b"a") + bytes(512)) == b"a"
    skipped = struct.pack("<II", 0x184D2A50, 3) + b"..."
    assert unpacked(skipped + zstd(b"a") + skipped + zstd(b"b")) == b"ab"


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_an_archive_that_is_cut_off_is_refused(pack):
    whole = pack(TABLE)
    for kept in (*range(10, 40), *range(50, len(whole), len(whole) // 50), len(whole) - 1):
        with pytest.raises(DataError, match=r"^data/raw/r\.gz is damaged or incomplete \(.+\); .* Fetch it again\.$"):
            unpacked(whole[:kept])


@pytest.mark.parametrize("pack", STREAMS.values(), ids=STREAMS)
def test_a_later_stream_that_is_damaged_is_no_end(pack):
    second = bytearray(pack(TABLE))
    for harm in (b"no archive", bytes([second[0] ^ 1]) + second[1:], second[:-1]):
        with pytest.raises(DataError, match="is damaged or incomplete"):
            unpacked(pack(TABLE) + harm)


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_no_damage_goes_unseen_or_ends_in_another_error(pack):
    whole, chance = pack(TABLE[:3000]), random.Random(0)
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[chance.randrange(14, len(whole))] ^= chance.randrange(1, 256)
        with suppress(DataError):
            content = unpacked(bytes(damaged))
            # what was hit says when and by which system the archive was made; this zstd writes no checksum
            assert content == TABLE[:3000] or pack is zstd


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=60), start=st.sampled_from([b"", *(pack(b"")[:12] for pack in PACKERS.values())]))
@example(content=b"", start=b"BZh9")
def test_no_bytes_end_in_another_error(content, start):
    whole = start + content
    with suppress(DataError):
        content = unpacked(whole)
        assert content == whole or any(signature.match(whole) for signature in unpacking._SIGNATURES.values())


def test_the_machines_own_trouble_is_not_called_damage():
    class Disk(io.BytesIO):
        def readinto(self, buffer: bytearray) -> int:
            if self.tell():
                raise OSError(5, "Input/output error")
            return super().readinto(buffer)

    for pack in STREAMS.values():
        packed = io.BufferedReader(Disk(pack(os.urandom(100_000))))
        with pytest.raises(OSError, match="Input/output error"):
            next(unpack(packed, "r", Archive("r", 9, 9), None))[1].read()


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_a_bomb_is_stopped_on_the_way(pack, monkeypatch):
    monkeypatch.setattr(unpacking, "FREE_BYTES", 2**20)
    honest, bomb = pack(bytes(2**20)), pack(bytes(2**24))
    assert len(unpacked(honest)) == 2**20
    with pytest.raises(DataError, match=r"r\.gz unpacks to more than [\d,]+ times its [\d,]+ bytes, .*max_expansion"):
        unpacked(bomb)
    assert len(unpacked(bomb, max_expansion=10**7)) == 2**24


def test_bombs_in_many_members_or_layers_are_one(monkeypatch):
    monkeypatch.setattr(unpacking, "FREE_BYTES", 2**20)
    many = zipped(*[bytes(2**19)] * 8)
    inner = zipped(gzip.compress(bytes(2**24)))
    hollow = zipped(bz2.compress(b"") * 100_000)
    for bomb, members in ((many, "*"), (inner, None), (hollow, None)):
        with pytest.raises(DataError, match="unpacks to more than"):
            list(opened(bomb, members))


def test_a_window_beyond_the_memory_is_refused():
    huge = lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 2**28}])
    with pytest.raises(DataError, match=r"r\.gz takes more than 128 MiB of memory to unpack .* smaller dictionary"):
        unpacked(huge)
    window_of_2_gib = b"\x28\xb5\x2f\xfd" + b"\x00" + bytes([(31 - 10) << 3]) + b"\x01\x00\x00"
    with pytest.raises(DataError, match="takes more than 128 MiB of memory"):
        unpacked(window_of_2_gib)


def test_a_member_may_itself_be_compressed_once():
    assert list(opened(zipped(**{"in/r.csv.gz": gzip.compress(TABLE)}))) == [("r.csv.gz", TABLE)]
    assert unpacked(lzma.compress(zstd(TABLE))) == TABLE
    for deeper in (gzip.compress(gzip.compress(gzip.compress(b"a"))), zipped(bz2.compress(zstd(b"a")))):
        with pytest.raises(DataError, match="packed more than 2 times over; unpack it"):
            unpacked(deeper)
    for archive in (zipped(zipped(b"a")), gzip.compress(zipped(b"a"))):
        with pytest.raises(DataError, match="holds a zip archive inside another archive; unpack the outer one"):
            unpacked(archive)


def test_of_several_members_the_row_chooses():
    several = zipped(**{"b/2.csv": b"two", "b/1.csv": b"one", "readme.txt": b"read me"})
    with pytest.raises(DataError, match=r"r\.gz holds 3 files \('b/1\.csv', 'b/2\.csv', 'readme\.txt'\); set members"):
        unpacked(several)
    assert list(opened(several, members="*.csv")) == [("1.csv", b"one"), ("2.csv", b"two")]
    assert list(opened(several, members="b/2.csv")) == [("2.csv", b"two")]
    with pytest.raises(DataError, match=r"nothing that matches members: '\*\.tsv'; it holds 'b/1\.csv', "):
        list(opened(several, members="*.tsv"))
    with pytest.raises(DataError, match=r"holds 20 files \(.*, …\)"):
        unpacked(zipped(*[b""] * 20))
    with pytest.raises(DataError, match=r"r\.gz is no zip archive; take members out"):
        list(opened(gzip.compress(TABLE), members="*"))


def test_what_a_system_adds_to_an_archive_is_no_member():
    assert unpacked(zipped(b"a", **{"__MACOSX/._0.csv": b"", "d/.DS_Store": b"", ".git/x.csv": b"", "d/": b""})) == b"a"
    with pytest.raises(DataError, match="holds no files"):
        unpacked(zipped(**{"folder/": b""}))


def test_a_member_that_leads_out_is_read_and_never_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    escape = zipped(**{"../../evil.csv": b"text", "/evil.csv": b"absolute"})
    assert list(opened(escape, members="*")) == [("evil.csv", b"text"), ("evil.csv", b"absolute")]
    assert list(tmp_path.iterdir()) == []
    assert not Path("/evil.csv").exists()


def flagged(flag: int, *, method: int | None = None) -> bytes:
    """An archive whose directory claims ``flag`` of its member, or another method of compression."""
    archive = bytearray(zipped(b"some text"))
    for start, offset in ((archive.index(b"PK\3\4"), 6), (archive.index(b"PK\1\2"), 8)):
        archive[start + offset] |= flag
        if method is not None:
            archive[start + offset + 2] = method
    return bytes(archive)


def test_archives_that_cannot_be_read_here_say_so():
    with pytest.raises(DataError, match=r"r\.gz is encrypted; unpack it with its password"):
        unpacked(flagged(1))
    with pytest.raises(DataError, match=r"of a kind that cannot be read here \(That compression method .*; unpack it"):
        unpacked(flagged(0, method=9))


@pytest.mark.parametrize(
    ("member", "what"), [("[Content_Types].xml", "an Excel workbook"), ("META-INF/manifest.xml", "an OpenDocument")]
)
def test_a_spreadsheet_is_no_archive(member, what):
    with pytest.raises(DataError, match=f"r.gz is {what} .*; save its table as CSV"):
        unpacked(zipped(b"sheet", **{member: b"<xml>"}))
