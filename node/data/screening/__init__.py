"""Looks for what an owner may not want a model to learn: abuse, which a stage counts or cuts, and planted text.

`stages` is the entry for what changes documents, `Poison` for what is only reported.
"""

from node.data.screening.chain import Options, stages
from node.data.screening.finding import Finding
from node.data.screening.poison import Poison

__all__ = ["Finding", "Options", "Poison", "stages"]
