"""Which documents the owner has added before: the same words, or nearly the same, in any source.

Workers make `signatures` (pure, by the batch); one process keeps the `Index` on disk and says what is new.
`Marks` is a plain set on disk, for paragraphs.
"""
