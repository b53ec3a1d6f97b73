"""One GGUF file as a checkpoint: the very weights and tokens that it was written from, and saved like any other."""

import json

import gguf
import numpy as np
import pytest
import torch
from miniature import make_reviews, tiny_regressor, tiny_tokenizer
from wheels import make_wheel

from starsight.errors import ModelError
from starsight.fetch.download import file_sha256
from starsight.layout import Layout
from starsight.model.backbone import input_limit, load_backbone
from starsight.model.checkpoints import check_reachable, fetch_checkpoint
from starsight.model.head import AttentionHead
from starsight.model.objective import make_objective
from starsight.model.regressor import StarRegressor, load_regressor
from starsight.model.target import StarScale
from starsight.model.tokens import load_tokenizer, tokenize_texts
from starsight.params import Model

TEXTS = make_reviews(3)["text"].tolist()
TENSORS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
"""Names of a layer's weights in transformers, and in GGUF."""


def write_gguf(path, backbone, tokenizer):
    """A Llama and its byte-level BPE tokenizer in unpacked weights, by the format's own description."""
    config = backbone.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    pieces = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(sorted(pieces["vocab"], key=pieces["vocab"].get))
    writer.add_token_types([gguf.TokenType.NORMAL] * len(pieces["vocab"]))
    writer.add_token_merges([" ".join(merge) for merge in pieces["merges"]])
    for name, token in (("bos", "[CLS]"), ("eos", "[SEP]"), ("unk", "[UNK]"), ("pad", "[PAD]")):
        getattr(writer, f"add_{name}_token_id")(tokenizer.convert_tokens_to_ids(token))

    weights = {name: tensor.numpy() for name, tensor in backbone.state_dict().items()}
    writer.add_tensor("token_embd.weight", weights["embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", weights["norm.weight"])
    for layer in range(config.num_hidden_layers):
        for ours, theirs in TENSORS.items():
            tensor = weights[f"layers.{layer}.{ours}.weight"]
            if theirs in ("attn_q", "attn_k"):  # GGUF keeps the halves that turn together side by side
                halves = tensor.reshape(config.num_attention_heads, 2, -1, tensor.shape[1])
                tensor = np.ascontiguousarray(halves.swapaxes(1, 2).reshape(tensor.shape))
            writer.add_tensor(f"blk.{layer}.{theirs}.weight", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer("llama")


@pytest.fixture(scope="module")
def backbone(tokenizer):
    return tiny_regressor("llama", tokenizer).backbone


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, backbone, tokenizer):
    folder = tmp_path_factory.mktemp("gguf")
    write_gguf(folder / "tiny.gguf", backbone, tokenizer)
    return folder


def test_weights_are_those_that_the_file_was_written_from(checkpoint, backbone):
    loaded = load_backbone(checkpoint, "llama")
    ids = torch.arange(5, 25)[None]
    torch.testing.assert_close(loaded(ids).last_hidden_state, backbone.eval()(ids).last_hidden_state)
    assert input_limit(checkpoint, "llama") == backbone.config.max_position_embeddings


def test_tokens_are_those_of_the_files_own_tokenizer(checkpoint, tokenizer):
    ours = tokenize_texts(load_tokenizer(checkpoint, "llama"), TEXTS, 64)
    theirs = tokenizer(TEXTS, add_special_tokens=False, return_offsets_mapping=True)
    assert [ids[-20:] for ids in ours.input_ids] == [ids[-20:] for ids in theirs["input_ids"]]
    assert ours.ends[0][-1] == len(TEXTS[0])


def test_what_is_saved_is_read_again_without_the_packages_for_gguf(checkpoint, tmp_path, monkeypatch):
    backbone = load_backbone(checkpoint, "llama")
    objective = make_objective("mse", StarScale(3.0, 1.0))
    regressor = StarRegressor(backbone, AttentionHead(32), objective, "llama").eval()
    regressor.save(tmp_path)
    load_tokenizer(checkpoint, "llama").save_pretrained(tmp_path / "tokenizer")
    monkeypatch.setattr("starsight.model.gguf.find_spec", lambda package: None)
    ids, mask = torch.arange(5, 25)[None], torch.ones(1, 20, dtype=torch.bool)
    assert torch.equal(load_regressor(tmp_path)(ids, mask).stars, regressor(ids, mask).stars)
    assert load_tokenizer(tmp_path / "tokenizer", "llama").pad_token == "[PAD]"
    assert not list(tmp_path.rglob("*.gguf"))
    assert "gguf" not in (tmp_path / "backbone/config.json").read_text()


def test_a_gguf_file_in_a_wheel_is_a_checkpoint(index, tmp_path, checkpoint):
    wheel = make_wheel(index, "llm", {"llm/tiny.gguf": (checkpoint / "tiny.gguf").read_bytes()})
    model = Model(family="llama", checkpoint="pypi:llm==1.0/llm/tiny.gguf", sha256=file_sha256(wheel))
    layout = Layout(tmp_path, tmp_path)
    check_reachable("tiny", model, layout)
    folder = fetch_checkpoint("tiny", model, layout)
    assert [file.name for file in folder.iterdir()] == ["tiny.gguf"]


@pytest.mark.parametrize("place", ["folder", "wheel"])
def test_without_the_packages_that_read_it_one_line_says_what_to_install(checkpoint, tmp_path, monkeypatch, place):
    rows = {
        "folder": Model(family="llama", checkpoint=str(checkpoint)),
        "wheel": Model(family="llama", checkpoint="pypi:llm==1.0/llm/tiny.gguf", sha256="0" * 64),
    }
    monkeypatch.setattr("starsight.model.gguf.find_spec", lambda package: None)
    message = r"tiny\.gguf is a GGUF file, and gguf and accelerate not installed; run pip install 'starsight\[gguf\]'"
    with pytest.raises(ModelError, match=message):
        check_reachable("tiny", rows[place], Layout(tmp_path, tmp_path))


def test_two_files_are_one_too_many(tmp_path):
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).touch()
    with pytest.raises(ModelError, match=r"holds 2 GGUF files \(a\.gguf, b\.gguf\); leave the one that is meant"):
        check_reachable("tiny", Model(family="llama", checkpoint=str(tmp_path)), Layout(tmp_path, tmp_path))


def test_a_file_of_another_architecture_is_refused(checkpoint):
    with pytest.raises(ModelError, match="is a 'llama' checkpoint; its row says family: gpt2"):
        load_backbone(checkpoint, "gpt2")


def test_a_file_that_is_none_or_of_another_architecture_is_refused_before_any_review_is_read(tmp_path, checkpoint):
    layout = Layout(tmp_path, tmp_path)
    with pytest.raises(ModelError, match="is a 'llama' checkpoint; its row says family: gpt2"):
        check_reachable("tiny", Model(family="gpt2", checkpoint=str(checkpoint)), layout)
    whole = (checkpoint / "tiny.gguf").read_bytes()
    for content in (b"", b"junk", b"junk" * 100, whole[:40], whole[:3000]):
        (tmp_path / "tiny.gguf").write_bytes(content)
        with pytest.raises(ModelError, match=r"tiny\.gguf is no readable GGUF file .*; download it anew") as caught:
            check_reachable("tiny", Model(family="llama", checkpoint=str(tmp_path)), layout)
        assert "\n" not in str(caught.value)


def test_a_damaged_file_is_refused(tmp_path, checkpoint):
    (tmp_path / "tiny.gguf").write_bytes((checkpoint / "tiny.gguf").read_bytes()[:3000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_backbone(tmp_path, "llama")
    with pytest.raises(ModelError, match="holds no readable tokenizer"):
        load_tokenizer(tmp_path, "llama")
