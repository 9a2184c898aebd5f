"""A folder of somebody's files, read as documents: files, archives and encodings become text, or a reason why not.

The entry is `read`: `inventory(folder)`, `split(folder, entry)` and `documents(folder, part)`. All of it streams: a
document is at most about 1 MB, however large its file.
"""
