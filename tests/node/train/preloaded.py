"""What trainers import, imported once (see forked.py). Without peft: what that imports depends on the base."""

from __future__ import annotations

import threading

import deepspeed  # noqa: F401
import torch.distributed.tensor  # noqa: F401
from transformers import AutoModelForCausalLM
from transformers.models.llama import modeling_llama  # noqa: F401

import node.train.alone
import node.train.client_app
import node.train.engine.deepspeed_engine
import node.train.engine.torch_engine
import node.train.worker  # noqa: F401

AutoModelForCausalLM.__name__  # noqa: B018  imported when it is looked at
assert threading.active_count() == 1, "a process with threads must not be forked"
