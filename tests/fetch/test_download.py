import hashlib
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from starsight.errors import DataError
from starsight.fetch.download import download

CONTENT = bytes(range(256)) * 4000


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def partial(target: Path) -> Path:
    return target.with_name(f"{target.name}.partial")


def test_a_file_arrives_whole_and_only_once(server, tmp_path):
    server.content = CONTENT
    target = tmp_path / "cache" / "reviews.csv"
    for _ in range(2):
        assert download(server.url, sha256(CONTENT), target) == target
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None]
    assert not partial(target).exists()


def test_a_changed_target_is_fetched_again(server, tmp_path):
    server.content = CONTENT
    target = tmp_path / "reviews.csv"
    target.write_bytes(b"something else")
    download(server.url, sha256(CONTENT), target)
    assert target.read_bytes() == CONTENT


def test_a_partial_file_is_resumed_where_it_ends(server, tmp_path):
    server.content = CONTENT
    target = tmp_path / "reviews.csv"
    partial(target).write_bytes(CONTENT[:1000])
    download(server.url, sha256(CONTENT), target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-"]


def test_a_partial_file_that_is_whole_is_kept(server, tmp_path):
    server.content = CONTENT
    target = tmp_path / "reviews.csv"
    partial(target).write_bytes(CONTENT)
    download(server.url, sha256(CONTENT), target)
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.content, server.knows_ranges = CONTENT, False
    target = tmp_path / "reviews.csv"
    partial(target).write_bytes(CONTENT[:1000])
    download(server.url, sha256(CONTENT), target)
    assert target.read_bytes() == CONTENT


def test_a_broken_connection_is_taken_up_again(server, tmp_path):
    server.content, server.break_after, server.n_breaks = CONTENT, 300_000, 2
    target = tmp_path / "reviews.csv"
    download(server.url, sha256(CONTENT), target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-", "bytes=600000-"]


def test_what_has_arrived_outlives_a_failure(server, tmp_path):
    server.content, server.break_after, server.n_breaks = CONTENT, 0, 1
    target = tmp_path / "reviews.csv"
    partial(target).write_bytes(CONTENT[:1000])
    with pytest.raises(DataError, match=r"cannot be reached .* the 1,000 bytes that have arrived are kept"):
        download(server.url, sha256(CONTENT), target)
    assert partial(target).read_bytes() == CONTENT[:1000]
    assert not target.exists()


def test_a_wrong_digest_is_refused_and_deleted(server, tmp_path):
    server.content = CONTENT
    target = tmp_path / "reviews.csv"
    with pytest.raises(DataError, match=f"has sha256 {sha256(CONTENT)}, not {'0' * 64}; it was deleted"):
        download(server.url, "0" * 64, target)
    assert not target.exists()
    assert not partial(target).exists()


def test_a_refusal_names_the_status_but_no_secret(server, tmp_path):
    server.status = 403
    secret = server.url.replace("http://", "http://me:pass@") + "?token=word"
    with pytest.raises(DataError, match="answered 403 Forbidden; check the address") as refusal:
        download(secret, "0" * 64, tmp_path / "reviews.csv")
    assert "pass" not in str(refusal.value)
    assert "word" not in str(refusal.value)


def test_an_address_nobody_serves_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(DataError, match="cannot be reached") as failure:
            download(f"http://127.0.0.1:{port}/x", "0" * 64, tmp_path / "x")
    assert "\n" not in str(failure.value)


def test_a_file_address_is_copied(tmp_path):
    original = tmp_path / "a wheel.whl"
    original.write_bytes(CONTENT)
    target = download(original.as_uri(), sha256(CONTENT), tmp_path / "copy.whl")
    assert target.read_bytes() == CONTENT
    with pytest.raises(DataError, match=r"absent\.whl is missing"):
        download((tmp_path / "absent.whl").as_uri(), sha256(CONTENT), tmp_path / "other.whl")


def test_concurrent_downloads_of_one_file_fetch_it_once(server, tmp_path):
    server.content = CONTENT
    target = tmp_path / "reviews.csv"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: download(server.url, sha256(CONTENT), target), range(8)))
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None]
