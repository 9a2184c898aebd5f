"""Templates are written out as transformers does, character for character."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from node.data import chat

TALK = [
    {"role": "system", "content": "Be brief. "},
    {"role": "user", "content": " What's <b>café</b>?\n"},
    {"role": "assistant", "content": "Coffee."},
    {"role": "user", "content": "And thé?"},
    {"role": "assistant", "content": "Tea,\nof course."},
]
TEMPLATES = {
    "chatml": chat.template_of(Path("/nowhere")),
    "with a default system": """
{%- if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou help.<|im_end|>\\n' }}{% endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content | trim + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}""",
    "with marked replies": """{{ bos_token }}
{% for message in messages %}
  {% if message.role == 'assistant' %}
    {%- generation %}{{ message.content + eos_token }}{%- endgeneration %}
  {% elif loop.first and message.role == 'system' %}{% continue %}
  {% else %}[INST] {{ message.content | tojson }} [/INST]{% endif %}
{% endfor %}""",
}
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("prompt", [False, True])
def test_it_says_what_transformers_says(name: str, prompt: bool) -> None:
    for length in (2, 4, 5):
        theirs = render_jinja_template(
            conversations=[TALK[:length]], chat_template=TEMPLATES[name], add_generation_prompt=prompt, **SPECIAL
        )
        theirs = theirs[0] if isinstance(theirs, tuple) else theirs
        theirs = theirs[0] if isinstance(theirs, list) else theirs
        assert chat._render(TEMPLATES[name], TALK[:length], SPECIAL, prompt=prompt) == theirs


@pytest.mark.parametrize("name", ["chatml", "with a default system"])
def test_only_replies_are_learnt(name: str) -> None:
    learnt = [piece for piece, reply in chat.pieces(TALK, TEMPLATES[name], SPECIAL) if reply]
    assert learnt == ["Coffee.<|im_end|>", "Tea,\nof course.<|im_end|>"]
