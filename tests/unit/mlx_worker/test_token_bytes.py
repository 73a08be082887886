"""The bytes of tokens that are half a character: of a vocabulary of bytes, and of one that falls back on bytes."""

import llguidance.hf
import pytest
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from mlx_worker.constraint import Vocabulary
from mlx_worker.events import Finished, Logprobs, TextPiece, TokenLogprob
from mlx_worker.streaming import ChunkWriter, fold

TEXT = " Grüße ✅ 👋🏽 e\u0301"


def byte_level() -> Tokenizer:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(BPE({letter: place for place, letter in enumerate([*letters, "</s>"])}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return made


def byte_fallback() -> Tokenizer:
    """As Llama 2's and Gemma's: `▁` for a space, letters that it knows, `<0x..>` for the bytes of all others."""
    words = ["<unk>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"Gre"]
    vocabulary = {word: place for place, word in enumerate(words)}
    made = Tokenizer(BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return made


def written(tokenizer: Tokenizer) -> list[bytes]:
    """The bytes of each token of the text."""
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>")
    words = Vocabulary(llguidance.hf.from_tokenizer(fast))
    return [words.bytes_of(token) for token in tokenizer.encode(TEXT, add_special_tokens=False).ids]


@pytest.mark.parametrize("make", [byte_level, byte_fallback])
def test_the_bytes_of_tokens_are_the_text(make: object) -> None:
    assert callable(make)
    tokens = written(make())
    assert len(tokens) > len(TEXT)  # characters are cut
    assert b"".join(tokens) == TEXT.encode()


@pytest.mark.parametrize("make", [byte_level, byte_fallback])
def test_clients_get_them(make: object) -> None:
    assert callable(make)
    tokens = tuple(TokenLogprob(raw, -0.5, ((raw, -0.5),)) for raw in written(make()))
    writer = ChunkWriter("model", 1)
    chunks = [
        chunk for event in (Logprobs(tokens), TextPiece(TEXT), Finished("stop", 9)) for chunk in writer.feed(event)
    ]
    told = fold(chunks)["choices"][0]["logprobs"]["content"]
    assert bytes(byte for token in told for byte in token["bytes"]).decode() == TEXT
    assert bytes(byte for token in told for byte in token["top_logprobs"][0]["bytes"]).decode() == TEXT
    assert {token["token"] for token in told} >= {"\ufffd"}
