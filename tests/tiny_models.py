"""Small GGUF files that a real engine loads and serves: real architectures, made-up weights.

`build` writes one with random weights: it answers with noise. `build_parrot` writes one whose next
token is a fixed function of the last one (attention and feed-forward add nothing, and each token's
embedding is the output row of its successor): it always says the same text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

ARCHITECTURES = ("deepseek2", "qwen2", "llama", "qwen3")

LAYERS, HIDDEN, HEADS, KV_HEADS, HEAD_DIM, FEED_FORWARD = 2, 128, 4, 2, 32, 256
Q_LORA, KV_LORA, ROPE_DIM, NOPE_DIM, VALUE_DIM = 64, 64, 32, 32, 32
EXPERTS, EXPERTS_USED, EXPERT_FEED_FORWARD = 8, 2, 64
CONTEXT = 4096

BOS, EOS, USER, ASSISTANT = (
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜User｜>",
    "<｜Assistant｜>",
)
THINK, THOUGHT = "<think>", "</think>"
SPECIAL = (BOS, EOS, USER, ASSISTANT, THINK, THOUGHT)
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] }}"
    "{% elif message['role'] == 'user' %}{{ '" + USER + "' + message['content'] }}"
    "{% elif message['role'] == 'assistant' and message['content'] is not none %}"
    "{% set content = message['content'] %}"
    "{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}"
    "{{ '" + ASSISTANT + "' + content + '" + EOS + "' }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '" + ASSISTANT + THINK + "\\n' }}{% endif %}"
)

Matrix = NDArray[np.float32]
Weights = Callable[[str, tuple[int, ...]], Matrix]


def build(architecture: str, path: Path, *, seed: int = 0) -> Path:
    """Write a model of random weights; the same `seed` gives the same file."""
    return _write(architecture, path, list(_base_vocabulary()), noise(seed))


def noise(seed: int) -> Weights:
    """Random weights."""
    generator = np.random.default_rng(seed)

    def weights(name: str, shape: tuple[int, ...]) -> Matrix:
        if name.endswith("norm.weight"):
            return np.ones(shape, np.float32)
        return np.asarray(generator.standard_normal(shape) / np.sqrt(shape[-1]), np.float32)

    return weights


def build_parrot(architecture: str, path: Path, text: str) -> Path:
    """Write a model that answers every chat with `text`, then stops.

    The chat template opens the thought, so a `text` of "so</think>yes" is thought, then answer.
    """
    return _write(architecture, path, *parrot(text))


def parrot(text: str, special: Sequence[str] = SPECIAL) -> tuple[list[str], Weights]:
    """The vocabulary and the weights, by GGUF name, of one that says `text`.

    `special` are the tokens that are never cut.
    """
    pieces = _unique_pieces(text, special)
    base = list(_base_vocabulary(special))
    vocabulary = base + [piece for piece in pieces if piece not in base]
    chain = [*pieces, EOS]
    position = {token: index for index, token in enumerate(vocabulary)}
    successor = dict(zip(pieces, chain[1:], strict=True))
    codes = _codes(len(chain))

    def weights(name: str, shape: tuple[int, ...]) -> Matrix:
        if name.endswith("norm.weight"):
            return np.ones(shape, np.float32)
        values = np.zeros(shape, np.float32)
        if name == "token_embd.weight":
            for token, row in position.items():
                values[row] = codes[chain.index(successor.get(token, chain[0]))]
        elif name == "output.weight":
            for code, token in zip(codes, chain, strict=True):
                values[position[token]] = code * 10
        return values

    return vocabulary, weights


def _codes(count: int) -> Matrix:
    """`count` directions of the hidden space, apart from one another."""
    generator = np.random.default_rng(0)
    values = generator.standard_normal((max(count, HIDDEN), HIDDEN))
    if count <= HIDDEN:
        values = np.linalg.qr(values)[0]
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return values[:count].astype(np.float32)


def _byte_letters() -> dict[int, str]:
    """The letters that byte-level tokenizers write bytes with."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {
        byte: chr(256 + index) for index, byte in enumerate(others)
    }


def _letters(text: str) -> str:
    table = _byte_letters()
    return "".join(table[byte] for byte in text.encode())


def _base_vocabulary(special: Sequence[str] = SPECIAL) -> Iterator[str]:
    yield from special
    yield from _byte_letters().values()
    yield _letters(" t")


def _unique_pieces(text: str, special: Sequence[str]) -> list[str]:
    """Cut `text` into tokens that are all different, words where possible, special ones whole."""
    pieces: list[str] = []
    for part in re.split(f"({'|'.join(map(re.escape, special))})", text):
        if part in special:
            pieces.append(part)
            continue
        piece = ""
        for letter in part:
            word_ends = letter == " " and piece.strip()
            if word_ends and _letters(piece) not in pieces:
                pieces.append(_letters(piece))
                piece = ""
            piece += letter
        if piece:
            pieces.append(_letters(piece))
    if len(set(pieces)) != len(pieces):
        raise ValueError(f"a parrot cannot say this: {text!r} ends in a repetition")
    return pieces


def _write(architecture: str, path: Path, vocabulary: list[str], weights: Weights) -> Path:
    writer = gguf.GGUFWriter(path, architecture)
    _write_shape(writer, architecture, len(vocabulary))
    _write_tokenizer(writer, vocabulary)
    for name, shape in _tensors(architecture, len(vocabulary)):
        values = weights(name, shape)
        half = len(shape) > 1 and "ffn_gate_inp" not in name
        writer.add_tensor(name, values.astype(np.float16) if half else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _write_shape(writer: Any, architecture: str, vocabulary: int) -> None:
    writer.add_name(f"Tiny {architecture}")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_license("mit")
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(vocabulary)
    if architecture == "deepseek2":
        _write_deepseek2_shape(writer)
    else:
        writer.add_head_count_kv(KV_HEADS)
        writer.add_key_length(HEAD_DIM)
        writer.add_value_length(HEAD_DIM)
        writer.add_rope_dimension_count(HEAD_DIM)


def _write_deepseek2_shape(writer: Any) -> None:
    writer.add_head_count_kv(1)
    writer.add_q_lora_rank(Q_LORA)
    writer.add_kv_lora_rank(KV_LORA)
    writer.add_key_length(KV_LORA + ROPE_DIM)
    writer.add_value_length(KV_LORA)
    writer.add_key_length_mla(NOPE_DIM + ROPE_DIM)
    writer.add_value_length_mla(VALUE_DIM)
    writer.add_rope_dimension_count(ROPE_DIM)
    writer.add_leading_dense_block_count(1)
    writer.add_expert_count(EXPERTS)
    writer.add_expert_used_count(EXPERTS_USED)
    writer.add_expert_shared_count(1)
    writer.add_expert_feed_forward_length(EXPERT_FEED_FORWARD)
    writer.add_expert_weights_scale(2.5)
    writer.add_expert_weights_norm(True)
    writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)


def _write_tokenizer(writer: Any, vocabulary: list[str]) -> None:
    control = {BOS, EOS, USER, ASSISTANT}
    kinds = [
        gguf.TokenType.CONTROL
        if token in control
        else gguf.TokenType.USER_DEFINED
        if token in SPECIAL
        else gguf.TokenType.NORMAL
        for token in vocabulary
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("deepseek-v3")
    writer.add_token_list(vocabulary)
    writer.add_token_types(kinds)
    writer.add_token_merges(["Ġ t"])
    writer.add_bos_token_id(vocabulary.index(BOS))
    writer.add_eos_token_id(vocabulary.index(EOS))
    writer.add_pad_token_id(vocabulary.index(EOS))
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def _tensors(architecture: str, vocabulary: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes (rows first) of all tensors."""
    yield "token_embd.weight", (vocabulary, HIDDEN)
    yield "output_norm.weight", (HIDDEN,)
    yield "output.weight", (vocabulary, HIDDEN)
    for layer in range(LAYERS):
        attention = _mla_tensors() if architecture == "deepseek2" else _gqa_tensors(architecture)
        expert_layer = architecture == "deepseek2" and layer > 0
        feed_forward = _expert_tensors() if expert_layer else _dense_tensors()
        for name, shape in (*attention, *feed_forward):
            yield f"blk.{layer}.{name}", shape


def _gqa_tensors(architecture: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "attn_norm.weight", (HIDDEN,)
    yield "attn_q.weight", (HEADS * HEAD_DIM, HIDDEN)
    yield "attn_k.weight", (KV_HEADS * HEAD_DIM, HIDDEN)
    yield "attn_v.weight", (KV_HEADS * HEAD_DIM, HIDDEN)
    yield "attn_output.weight", (HIDDEN, HEADS * HEAD_DIM)
    if architecture == "qwen2":
        yield "attn_q.bias", (HEADS * HEAD_DIM,)
        yield "attn_k.bias", (KV_HEADS * HEAD_DIM,)
        yield "attn_v.bias", (KV_HEADS * HEAD_DIM,)
    if architecture == "qwen3":
        yield "attn_q_norm.weight", (HEAD_DIM,)
        yield "attn_k_norm.weight", (HEAD_DIM,)


def _mla_tensors() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "attn_norm.weight", (HIDDEN,)
    yield "attn_q_a.weight", (Q_LORA, HIDDEN)
    yield "attn_q_a_norm.weight", (Q_LORA,)
    yield "attn_q_b.weight", (HEADS * (NOPE_DIM + ROPE_DIM), Q_LORA)
    yield "attn_kv_a_mqa.weight", (KV_LORA + ROPE_DIM, HIDDEN)
    yield "attn_kv_a_norm.weight", (KV_LORA,)
    yield "attn_k_b.weight", (HEADS, KV_LORA, NOPE_DIM)
    yield "attn_v_b.weight", (HEADS, VALUE_DIM, KV_LORA)
    yield "attn_output.weight", (HIDDEN, HEADS * VALUE_DIM)


def _dense_tensors() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "ffn_norm.weight", (HIDDEN,)
    yield "ffn_gate.weight", (FEED_FORWARD, HIDDEN)
    yield "ffn_up.weight", (FEED_FORWARD, HIDDEN)
    yield "ffn_down.weight", (HIDDEN, FEED_FORWARD)


def _expert_tensors() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "ffn_norm.weight", (HIDDEN,)
    yield "ffn_gate_inp.weight", (EXPERTS, HIDDEN)
    yield "exp_probs_b.bias", (EXPERTS,)
    yield "ffn_gate_exps.weight", (EXPERTS, EXPERT_FEED_FORWARD, HIDDEN)
    yield "ffn_up_exps.weight", (EXPERTS, EXPERT_FEED_FORWARD, HIDDEN)
    yield "ffn_down_exps.weight", (EXPERTS, HIDDEN, EXPERT_FEED_FORWARD)
    yield "ffn_gate_shexp.weight", (EXPERT_FEED_FORWARD, HIDDEN)
    yield "ffn_up_shexp.weight", (EXPERT_FEED_FORWARD, HIDDEN)
    yield "ffn_down_shexp.weight", (HIDDEN, EXPERT_FEED_FORWARD)
