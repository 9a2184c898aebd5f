"""A tokenizer learnt from the owner's text: the same from the same text, nothing held out, nothing of one document."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from node import adding
from node.data.collection import write_meta
from node.data.shards import Shards
from node.data.tokenizers import training
from node.data.tokenizers.tokenizer import open_tokenizer
from node.data.tokenizers.training import train
from shared.errors import OwnerMustAct

SHARED = "The kettle whistles while Grandmother's émigré neighbour counts twenty-four teacups. 日本語のテキスト\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "letters"
    made.mkdir()
    with Shards(made, "train", shard_bytes=20_000) as train, Shards(made, "held") as held:
        for number in range(40):
            secret = "hunter2-passphrase " * 30 if number == 7 else ""
            train.write(facts={}, text=f"{SHARED * 3}{secret} {number} {'abcdefghij'[number % 10] * 3}")
        for _ in range(40):
            held.write(facts={}, text="Quarterly xylophone budget " * 20)
    return made


@pytest.mark.parametrize("kind", ["bpe", "sentencepiece"])
def test_what_it_learns_is_what_several_training_documents_share(tmp_path: Path, folder: Path, kind: str) -> None:
    told = [train([folder], tmp_path / name, 600, kind) for name in ("one", "two")]  # type: ignore[arg-type]
    one, two = (tmp_path / name / "tokenizer.json" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert told[0]["words"] == len(Tokenizer.from_file(str(one)).get_vocab()) <= 600
    assert told[0]["dropped"] > 0
    assert "leaves this PC" in told[0]["sentence"]
    tokenizer = open_tokenizer(one)
    vocabulary = [word.replace("Ġ", "").replace("▁", "") for word in tokenizer.plain.get_vocab()]
    assert "kettle" in vocabulary
    assert not any(secret in word for word in vocabulary for secret in ("hunter", "phrase", "xylo", "Quart"))
    for text in (SHARED, "hunter2 \t\x00 ünknown 𝔘 <|endoftext|>"):
        assert tokenizer.plain.decode(tokenizer.encode([text])[0].tolist(), skip_special_tokens=False) == text
    assert tokenizer.end not in tokenizer.encode(["<|endoftext|> </s>"])[0]
    assert json.loads((tmp_path / "one" / "tokenizer_config.json").read_bytes())["eos_token"] in tokenizer.marks


def test_only_as_much_text_is_looked_at_as_helps(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MOST", 20_000)
    seen: list[tuple[int, int]] = []
    told = train([folder], tmp_path / "out", 600, progress=lambda done, total: seen.append((done, total)))
    assert 2_000 < told["bytes"] < 20_000
    assert seen == sorted(seen)
    assert 0.95 < seen[-1][0] / seen[-1][1] <= 1


def test_too_little_text_is_said(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(OwnerMustAct, match="512 to 1,048,576 words, not 12"):
        train([folder], tmp_path / "out", 12)
    with Shards(tmp_path, "train") as out:
        out.write(facts={}, text=SHARED)
    with pytest.raises(OwnerMustAct, match="here are 1"):
        train([tmp_path], tmp_path / "out", 600)
    with Shards(tmp_path, "train") as out:
        for _ in range(2):
            out.write(facts={}, text="".join(map(chr, range(0x4E00, 0x5200))))
    with pytest.raises(OwnerMustAct, match="could not learn 600 words"):
        train([tmp_path], tmp_path / "out", 600, "sentencepiece")


@pytest.mark.slow
def test_the_command_learns_and_converts(tmp_path: Path, folder: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    (home / "data").mkdir(parents=True)
    folder.rename(home / "data" / "letters")
    write_meta(home / "data" / "letters", {"name": "letters"})
    told = asyncio.run(adding.learn_tokenizer(home, [], out, 600, "bpe", lambda words: None))
    assert told["words"] == open_tokenizer(out / "tokenizer.json").words
    with pytest.raises(OwnerMustAct, match="no collection called diary"):
        asyncio.run(adding.learn_tokenizer(home, ["diary"], out, 600, "bpe", lambda words: None))
    with pytest.raises(OwnerMustAct, match="neither a SentencePiece"):
        asyncio.run(adding.convert_tokenizer(home, out / "tokenizer.json", out))
