"""From a folder to a source: units of work for worker processes, merged in order, journalled, reported.

plan.py      folder -> units of input                 pure
refining.py  a unit -> refined documents              in a worker, stateless
spool.py     refined units on disk
workers.py   one process a core
merging.py   refined units, in order -> shards        in the parent
journal.py   what is committed: SQLite
build.py     READ FIRST: the whole job
"""
