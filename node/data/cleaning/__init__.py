"""Cleans what was read: characters, boilerplate lines, rules of quality, languages. `stages` is the entry.

Nothing here is harsh on an owner's own notes: the rules made for pages of the web hold for pages of the web, unless the
owner asks for more.
"""

from node.data.cleaning.chain import Options, stages

__all__ = ["Options", "stages"]
