"""Conversations: read from JSON lines, written out as the model's own chat template says, with the replies marked.

    {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}

What the assistant says (its owner's replies) is learnt, with the mark that ends each reply; all else is only read. A
reply may say `"read": n`: its first n characters are only read, too, and where that is all of it, so is its end.
A template is data that came with the model, so it runs in jinja's sandbox, as in transformers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from shared.errors import OwnerMustAct

Message = dict[str, Any]
Conversation = list[Message]
ROLES = ("system", "user", "assistant")
LINES = ".jsonl"
_CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def conversations(text: str) -> list[Conversation] | None:
    """Those of a JSON-lines file; None when any line is something else."""
    found = []
    for line in text.split("\n"):
        if not line.strip():
            continue
        try:
            found.append(_conversation(json.loads(line)))
        except (ValueError, LookupError, TypeError, RecursionError):
            return None
    return found


def words(conversation: Conversation) -> str:
    """All that is said, for people and for finding repetitions."""
    return "\n".join(f"{message['role']}: {message['content']}" for message in conversation)


def template_of(folder: Path) -> str:
    """The chat template of the model in `folder`; ChatML's where it has none."""
    if (alone := folder / "chat_template.jinja").is_file():
        return alone.read_text("utf-8")
    try:
        config = json.loads((folder / "tokenizer_config.json").read_bytes())
    except (OSError, ValueError):
        config = {}
    template = config.get("chat_template") if isinstance(config, dict) else None
    if isinstance(template, list):  # several by name
        template = next((one["template"] for one in template if one.get("name") == "default"), None)
    return template if isinstance(template, str) else _CHATML


def pieces(conversation: Conversation, template: str, special: dict[str, str]) -> list[tuple[str, bool]]:
    """The conversation as the template writes it, cut into what is only read (False) and what is learnt (True).

    `special` are the names that templates use, such as eos_token. Raises OwnerMustAct when the template fails, or does
    not write what was said before in the same way once more is said.
    """
    whole = _render(template, conversation, special, prompt=False)
    cut: list[tuple[str, bool]] = []
    done = 0
    for number, message in enumerate(conversation):
        if message["role"] != "assistant":
            continue
        before = _render(template, conversation[:number], special, prompt=True)
        after = _render(template, conversation[: number + 1], special, prompt=False)
        if not (whole.startswith(after) and after.startswith(before) and len(before) >= done):
            raise OwnerMustAct(
                "The model's chat template rewrites what was said before, so conversations cannot be cut into what is "
                "read and what is learnt. Choose a model with another template for chat data."
            )
        reply = after[len(before) :].rstrip("\n")  # the line after the mark that ends a reply is not the model's to say
        start = len(before) + _only_read(message, reply)
        cut += [(whole[done:start], False), (whole[start : len(before) + len(reply)], True)]
        done = len(before) + len(reply)
    return [*cut, (whole[done:], False)]


def encode(cut: Sequence[tuple[str, bool]], tokenizer: Tokenizer) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Ids, and 1 for those that are learnt. `tokenizer` takes the template's marks for what they are."""
    text = "".join(piece for piece, _ in cut)
    whole = tokenizer.encode(text, add_special_tokens=False)
    learnt = np.zeros(len(text) + 1, np.uint8)
    at = 0
    for piece, reply in cut:
        learnt[at : at + len(piece)] = reply
        at += len(piece)
    starts = np.array([max(start, stop - 1) for start, stop in whole.offsets], np.int64)  # a token's last character
    return np.array(whole.ids, np.uint32), learnt[starts] if len(starts) else np.empty(0, np.uint8)


def _conversation(raw: Any) -> Conversation:
    said = [{"role": str(message["role"]), "content": message["content"]} for message in raw["messages"]]
    if not all(isinstance(message["content"], str) and message["role"] in ROLES for message in said):
        raise ValueError("not what people and their assistants say")
    replied = any(message["role"] == "assistant" and message["content"].strip() for message in said)
    if not replied or said[0]["role"] == "assistant":
        raise ValueError("nobody replies")
    return said


def _only_read(message: Message, reply: str) -> int:
    """How many characters of the reply, as the template writes it, come before what is learnt or scored."""
    content, read = message["content"], message.get("read", 0)
    at = reply.find(content[:read])
    return at + read if read and at >= 0 and read < len(content) else len(reply) if read else 0


def _render(template: str, said: Conversation, special: dict[str, str], *, prompt: bool) -> str:
    import jinja2

    if not said and not prompt:
        return ""
    try:
        return str(_compiled(template).render(messages=said, add_generation_prompt=prompt, **special))
    except jinja2.TemplateError as error:
        raise OwnerMustAct(f"The model's chat template does not take these conversations ({error}).") from error


@cache
def _compiled(template: str) -> Any:
    """As transformers sets it up; `generation` blocks, with which some templates mark replies, are let through."""
    import jinja2
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        tags = {"generation"}  # noqa: RUF012  as jinja declares it

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def complain(message: str) -> None:
        raise jinja2.TemplateError(message)

    def to_json(value: object, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = complain
    return environment.from_string(template)
