import pytest

from starsight.clean.veto import read_veto
from starsight.errors import DataError


def test_words_are_read_in_lower_case_without_comments(tmp_path):
    path = tmp_path / "veto.txt"
    path.write_text("# names\nSpanx  # a brand\n\nÉcru\n", encoding="utf-8")
    assert read_veto(path) == {"spanx", "écru"}


def test_without_a_file_nothing_is_vetoed(tmp_path):
    assert read_veto(tmp_path / "none.txt") == frozenset()


def test_every_line_that_is_no_word_is_named(tmp_path):
    path = tmp_path / "veto.txt"
    path.write_text("two words\nfine\nsize12\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 1 \('two words'\), 3 \('size12'\)"):
        read_veto(path)


def test_a_file_of_another_encoding_is_refused_and_a_byte_order_mark_is_none_of_the_words(tmp_path):
    path = tmp_path / "veto.txt"
    path.write_bytes("\ufeffécru\n".encode())
    assert read_veto(path) == {"écru"}
    path.write_bytes("écru\n".encode("latin-1"))
    with pytest.raises(DataError, match="is not UTF-8"):
        read_veto(path)
