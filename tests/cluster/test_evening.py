"""A whole evening with the real trainer: what comes out, what travelled, and what never did."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from node.data.tokens import collect
from shared.authority import CertificateAuthority
from tests.cluster.group import REAL, Group, words
from tests.cluster.recorder import Recorder

pytestmark = pytest.mark.slow

TEXT = {"ana": words(1), "bo": words(2)}
WINDOW = 8  # words, and tokens, in a row


@pytest.fixture
def evening(group: Group) -> Group:
    group.up()
    for name, text in TEXT.items():
        group.join(name, text, **REAL)
    return group


def test_two_friends_train_and_fetch_a_model_that_other_tools_load(evening: Group, tmp_path: Path) -> None:
    run = evening.start(recipe="{lora: 4}", evaluate="last")
    evening.run("ana", "bo")
    ended = evening.finished(run, 240)
    assert all("bits_per_byte" in member["metrics"] for member in ended["history"][-1]["members"])
    for number in (1, 2):
        held = {member["name"]: member["bytes"] for member in ended["history"][number - 1]["members"]}
        for name in ("ana", "bo"):
            lines = [line for line in evening.friends[name].ask("sent") if line["what"] == "update"]
            told = [line for line in lines if line["round"] == number]
            assert len(told) == 1
            assert 0 <= told[0]["bytes"] - int(held[name]) < 2000, "header and frames of a few chunks"
            assert re.fullmatch("[0-9a-f]{64}", told[0]["digest"])
    for name in ("host", "ana", "bo"):  # a blob is there only if its bytes have that digest
        evening.blobs(name).verify(ended["model"])
    folder = model_folder(evening, tmp_path, "--merged")
    loads_and_answers(folder)
    for events in (
        evening.host.home / "coordinator" / "runs" / run / "tensorboard",
        evening.friends["ana"].home / "node" / "runs" / run / "tensorboard" / "rounds",
    ):
        assert "loss" in " ".join(scalars(events))


def test_flowers_own_fedavg_trains_whole_weights(evening: Group, tmp_path: Path) -> None:
    run = evening.start(strategy="{name: FedAvg}", codec="fp32", rounds=1)
    evening.run("ana", "bo")
    ended = evening.finished(run, 240)
    assert {member["state"] for member in ended["history"][0]["members"]} == {"counted"}
    loads_and_answers(model_folder(evening, tmp_path))


def test_no_text_and_no_token_of_it_ever_leaves_the_pc(evening: Group) -> None:
    """Everything ana's PC sends in whole rounds, in plain text; and the search is shown to find what is there."""
    ana = evening.friends["ana"].home / "node"
    authority = CertificateAuthority.load(evening.host.home / "coordinator" / "pki")
    with Recorder(authority, ana / "pki", evening.port, evening.folder) as recorder:
        member = json.loads((ana / "member.json").read_text())
        (ana / "member.json").write_text(json.dumps({**member, "port": recorder.port}))
        run = evening.start(recipe="{lora: 4}", rounds=1, evaluate="true")
        evening.run("ana", "bo")
        ended = evening.finished(run, 240)
        sent = recorder.sent()
    [update] = [member for member in ended["history"][0]["members"] if member["name"] == "ana"]
    assert len(sent) > int(update["bytes"]), "the update went another way"
    assert b"hardware" in sent or b"cores" in sent, "the greeting is not in plain text here"
    ids = np.asarray(tokens(evening, run, ana), np.uint32)
    assert found(TEXT["ana"], ids, sent) == []
    at, planted = 50, TEXT["ana"].split("\n\n")[3].encode()
    assert found(TEXT["ana"], ids, sent + planted) != []
    for width in (np.uint16, np.uint32, np.int64):
        assert found(TEXT["ana"], ids, sent + ids[at : at + 2 * WINDOW].astype(width).tobytes()) != []


def found(text: str, ids: Any, sent: bytes) -> list[bytes]:
    """Runs of eight words of the text, and of eight of its tokens in any usual width, that are among `sent`."""
    several = text.split()
    runs = {" ".join(several[at : at + WINDOW]).encode() for at in range(0, len(several) - WINDOW)}
    for width in (np.uint16, np.uint32, np.int64):
        runs |= {ids[at : at + WINDOW].astype(width).tobytes() for at in range(len(ids) - WINDOW)}
    return [run for run in runs if run in sent]


def tokens(evening: Group, run: str, home: Path) -> Any:
    """Ana's whole training text, as the trainer sees it."""
    return collect([home / "data" / "notes"], home / "runs" / run / "base" / "tokenizer.json").texts[0].ids


def model_folder(evening: Group, to: Path, *options: str) -> Path:
    said = evening.say(evening.friends["bo"].home, "model", "get", "--to", str(to / "got"), *options)
    assert said.code == 0, said.err
    return Path(said.out.strip().splitlines()[-1])


def loads_and_answers(folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = AutoTokenizer.from_pretrained(folder)("the soup warms", return_tensors="pt").input_ids
    with torch.no_grad():
        assert torch.isfinite(model(ids).logits).all()


def scalars(events: Path) -> list[str]:
    read = EventAccumulator(str(events))
    read.Reload()
    return list(read.Tags()["scalars"])
