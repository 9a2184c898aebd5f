"""What a friend reads while the agent runs."""

from __future__ import annotations

from node.logic.changes import apply
from node.logic.facts import (
    BlobsHere,
    DataChanged,
    DutiesTold,
    Duty,
    Elapsed,
    Evaluated,
    Fact,
    Fetched,
    JobRead,
    Kind,
    LinkDown,
    LinkUp,
    OwnerPaused,
    OwnerResumed,
    Progressed,
    TrainerGone,
    TrainerNoted,
    TrainerOpened,
    TrainerStarted,
    TrainerTold,
    TrainerWarm,
    Update,
    UpdateWritten,
    Verdict,
    VerdictHeard,
)
from node.logic.report import ADD, availability
from node.logic.state import State
from node.logic.telling import told
from tests.node.test_duties import BASE, JOB, JOB_CONTENT, MODELS, RUN, digest

TRAIN = Duty(Kind.TRAIN, RUN, 3, 3, JOB, MODELS[2])
EVALUATE = Duty(Kind.EVALUATE, RUN, 3, 3, JOB, MODELS[3])
UPDATE = Update(RUN, 3, MODELS[2], digest("7"), 19_500_000, 12_288, 4, 1.0, (("loss", 2.3104),))


def read(*facts: Fact) -> list[str]:
    """The sentences these facts bring."""
    state, sentences = State(), []
    for fact in facts:
        before, state = state, apply(state, fact)
        if sentence := told(before, fact, state):
            sentences.append(sentence)
    return sentences


def test_a_pc_without_text_of_this_group_is_told_what_to_do() -> None:
    up = LinkUp("a:1", 1)
    assert read(DataChanged((), "1"), up) == [f"connected to the host at a:1; no text to train on yet: {ADD}"]
    (told_,) = read(DataChanged((), "1", ("notes",)), up)
    assert "notes was added for another group" in told_
    assert "add FOLDER --name notes --replace" in told_
    state = apply(State(), DataChanged((), "1", ("notes",)))
    assert "notes" not in availability(state).sentence, "names of text are its owner's"


def test_a_round_is_a_handful_of_sentences() -> None:
    assert read(
        Elapsed(1000.0),
        DataChanged(("notes",), "1"),
        LinkUp("192.168.1.20:7443", 1),
        BlobsHere(frozenset({JOB, BASE})),
        JobRead(JOB, JOB_CONTENT),
        DutiesTold((TRAIN,)),
        Fetched(MODELS[2], 0.0),
        Fetched(MODELS[2], 0.5),
        BlobsHere(frozenset({MODELS[2]})),
        TrainerStarted(RUN),
        TrainerOpened("torch", "fp32", 1.0),
        TrainerTold("train", 3, MODELS[2]),
        Progressed(3, 1, 4, 0.25, 2.31, 410.4),
        Progressed(3, 2, 4, 0.5, 2.2, 411.0),
        TrainerWarm("paused", 88.4, 83.0),
        TrainerWarm("paused", 86.0, 83.0),
        TrainerWarm("full", 72.0, 83.0),
        TrainerNoted("The checkpoint X is damaged."),
        UpdateWritten(UPDATE),
        UpdateWritten(UPDATE),
        VerdictHeard(RUN, 3, Verdict.ACCEPTED, "", 4.0),
        DutiesTold((EVALUATE,)),
        Evaluated(RUN, 3, (("bits_per_byte", 1.2345), ("loss", 2.0))),
        VerdictHeard(RUN, 3, Verdict.COUNTED, ""),
        DutiesTold(()),
        DutiesTold(()),
    ) == [
        "connected to the host at 192.168.1.20:7443",
        "fetching the model",
        "starting the trainer; the first time takes a minute",
        f"round 3 of {RUN}: training begins",
        f"round 3 of {RUN}: training, loss 2.31, 410 tokens/s",
        "Paused by heat (88 °C, the limit is 83 °C); it goes on by itself when it is cooler.",
        "Cool again; at full speed.",
        "The checkpoint X is damaged.",
        f"round 3 of {RUN}: trained 12,288 tokens, loss 2.31",
        f"round 3 of {RUN}: sent 19.5 MB; waiting for the others",
        f"round 3 of {RUN}: 1.234 bits per byte on your held-out text",
        f"round 3 of {RUN}: your update counts",
        f"that was the last round of {RUN}; `potluck model get` fetches the result",
    ]


def test_what_goes_wrong_or_changes_is_told_once() -> None:
    sentences = read(
        LinkUp("here:7443", 1),
        LinkDown(),
        LinkUp("here:7443", 2),
        LinkUp("here:7443", 3),  # a fresh certificate
        OwnerPaused(1000.0),
        OwnerPaused(1000.0),
        OwnerResumed(),
        DutiesTold((TRAIN,)),
        TrainerGone("its process 0 ended."),
        TrainerGone(),
        UpdateWritten(UPDATE),
        VerdictHeard(RUN, 3, Verdict.NOTHING, ""),
        DutiesTold(()),
    )
    assert [sentence[:14] for sentence in sentences] == [
        "connected to t", "connected to t", "paused by you ", "working again", "the trainer fa", "round 3 of sat",
        "round 3 of sat",
    ]  # fmt: skip
    assert sentences[1].endswith(" again")
    assert sentences[6].startswith(f"round 3 of {RUN}: your update does not count. The round had closed")


def test_a_pc_that_is_not_in_the_round_waits_for_nobody() -> None:
    assert read(LinkUp("here:7443", 1), DutiesTold((TRAIN,)), DutiesTold(())) == ["connected to the host at here:7443"]


def test_a_brief_pause_is_told_by_its_length() -> None:
    (said,) = read(Elapsed(1000.0), OwnerPaused(1000.0, 1040.0))
    assert said.startswith("paused by you since")
    assert said.endswith(" for 40 s")
