"""What is asked: the stated share, never a special token, and nothing that the batch gives away."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from miniature import tiny_tokenizer

from starsight.adapt.tasks import MaskedTokens, choose_task, next_tokens
from starsight.errors import ModelError

PAD, START, END, MASK = 0, 1, 2, 3
ORDINARY = torch.arange(100) > MASK


def batch(lengths):
    """Reviews of ``lengths`` ordinary tokens between a start and an end, padded."""
    width = max(lengths) + 4
    input_ids, mask = torch.full((len(lengths), width), PAD), torch.zeros(len(lengths), width, dtype=torch.bool)
    for row, n in enumerate(lengths):
        input_ids[row, : n + 2] = torch.tensor([START, *(4 + (row * 31 + i) % 96 for i in range(n)), END])
        mask[row, : n + 2] = True
    return input_ids, mask


@given(
    lengths=st.lists(st.integers(0, 60), min_size=1, max_size=8), share=st.floats(0.01, 0.9), seed=st.integers(0, 99)
)
def test_the_stated_share_of_each_review_is_asked_for_and_never_a_special_token(lengths, share, seed):
    torch.manual_seed(seed)
    input_ids, mask = batch(lengths)
    exercise = MaskedTokens(share, MASK, ORDINARY)(input_ids, mask)
    expected = [min(n, max(1, round(float(torch.tensor(n) * share)))) for n in lengths]
    assert exercise.asked.sum(1).tolist() == expected
    assert not (exercise.asked & ~mask).any()
    assert not torch.isin(exercise.answers, torch.tensor([PAD, START, END, MASK])).any()


@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_the_answers_are_the_tokens_that_stood_there_and_all_others_are_left(lengths, seed):
    torch.manual_seed(seed)
    input_ids, mask = batch(lengths)
    original = input_ids.clone()
    exercise = MaskedTokens(0.3, MASK, ORDINARY)(input_ids, mask)
    assert torch.equal(input_ids, original)
    assert torch.equal(exercise.answers, original[exercise.asked])
    assert torch.equal(exercise.input_ids[~exercise.asked], original[~exercise.asked])


def test_of_the_tokens_asked_for_eight_tenths_are_masked_one_swapped_and_one_left():
    torch.manual_seed(0)
    input_ids, mask = batch([500] * 100)
    exercise = MaskedTokens(0.4, MASK, ORDINARY)(input_ids, mask)
    read = exercise.input_ids[exercise.asked]
    masked, left = (read == MASK).float().mean(), (read == exercise.answers).float().mean()
    swapped = read[(read != MASK) & (read != exercise.answers)]
    assert len(read) == 20_000
    assert masked == pytest.approx(0.8, abs=0.01)
    assert left == pytest.approx(0.1 + 0.1 / 96, abs=0.01)  # a random token is now and then the right one
    assert ORDINARY[swapped].all()
    assert len(swapped.unique()) == 96


def test_the_same_seed_asks_the_same():
    asked = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        asked.append(MaskedTokens(0.15, MASK, ORDINARY)(*batch([50, 40])).asked)
    assert torch.equal(asked[0], asked[1])
    assert not torch.equal(asked[0], asked[2])


def test_the_next_token_is_asked_of_every_token_but_the_last():
    input_ids = torch.tensor([[5, 6, 7, 0], [8, 9, 0, 0]])
    mask = torch.tensor([[True, True, True, False], [True, True, False, False]])
    exercise = next_tokens(input_ids, mask)
    assert exercise.asked.tolist() == [[True, True, False, False], [True, False, False, False]]
    assert exercise.answers.tolist() == [6, 7, 9]
    assert torch.equal(exercise.input_ids, input_ids)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_families_that_read_left_to_right_are_asked_for_the_next_token_and_need_no_mask_token(family):
    tokenizer = tiny_tokenizer(family)
    tokenizer.mask_token = None
    assert choose_task(family, tokenizer, 0.15, len(tokenizer)) is next_tokens


def test_the_special_tokens_of_the_tokenizer_and_rows_without_a_token_are_not_ordinary():
    tokenizer = tiny_tokenizer("bert")
    task = choose_task("bert", tokenizer, 0.15, len(tokenizer) + 7)
    assert task.mask_id == tokenizer.mask_token_id
    left_out = set((~task.ordinary).nonzero().squeeze(1).tolist())
    assert left_out == {*tokenizer.all_special_ids, *range(len(tokenizer), len(tokenizer) + 7)}
    assert tokenizer.unk_token_id in left_out


def test_t5_which_has_no_mask_token_reads_its_first_sentinel():
    tokenizer = tiny_tokenizer("t5")
    tokenizer.mask_token = None
    tokenizer.add_special_tokens({"additional_special_tokens": ["<extra_id_0>", "<extra_id_1>"]})
    task = choose_task("t5", tokenizer, 0.15, len(tokenizer))
    assert task.mask_id == tokenizer.convert_tokens_to_ids("<extra_id_0>")
    assert not task.ordinary[[task.mask_id, task.mask_id + 1]].any()


def test_a_tokenizer_that_can_hide_nothing_is_refused():
    tokenizer = tiny_tokenizer("bert")
    tokenizer.mask_token = None
    with pytest.raises(ModelError, match=r"no mask token and no <extra_id_0>.*set adapt\.enabled to false"):
        choose_task("bert", tokenizer, 0.15, len(tokenizer))
