"""Replaces personal data by placeholders such as [EMAIL]: what has a form or a checksum, and the owner's own list.

`Privacy` is the stage, `preview` shows the owner random samples, CANNOT says what is not found.
"""

from node.data.privacy.cannot import CANNOT
from node.data.privacy.kinds import Kind
from node.data.privacy.preview import Sample, preview
from node.data.privacy.stage import Options, Privacy
from node.data.privacy.words import read_words

__all__ = ["CANNOT", "Kind", "Options", "Privacy", "Sample", "preview", "read_words"]
