"""Which documents the owner has added before: the same words, or nearly the same, in any source.

Workers make `signatures` (pure, by the batch); one process keeps the `index` on disk and says what is new.
`marks` is a plain set on disk, for paragraphs.
"""
