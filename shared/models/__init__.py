"""Base models as Hugging Face folders: made, checked, listed, merged. numpy only; for child processes, never the agent.

`materialise` turns a name in a run file into a folder; `trainables` and `initial` say what a run trains in it and where
that starts; `merge_adapter` folds a finished LoRA adapter into its base.
"""

from __future__ import annotations

from shared.models.folder import check, travelling
from shared.models.materialise import default_cache, materialise, usual_tokenizer
from shared.models.merge import merge_adapter
from shared.models.trainables import Recipe, initial, trainables
from shared.models.warm import warm_start

__all__ = [
    "Recipe", "check", "default_cache", "initial", "materialise", "merge_adapter", "trainables",
    "travelling", "usual_tokenizer", "warm_start",
]  # fmt: skip
