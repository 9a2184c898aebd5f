"""Spoiled lines, absent friends, wrong papers and stolen invites: which test shows what.

Faults of this folder (`faults.py`) run real processes and real gRPC; where a line is spoiled, a TCP proxy of our own
stands in it.

| what is spoiled                       | shown by                                                                   |
|---------------------------------------|----------------------------------------------------------------------------|
| line cut every few seconds            | `cut-every-few-seconds`; chunk by chunk: tests/node/test_blobs.py           |
| black hole for 60 s                   | `black-hole`: in the middle of an upload, and while idle                    |
| 300 ms each way                       | `long-way`                                                                 |
| 1 Mbit/s                              | `narrow-line`                                                              |
| flipped bytes                         | `flipped-bytes`; behind TLS: tests/node/test_blobs.py |
| all but quorum-1 gone, one returns    | `all-but-one-gone`, three times                                            |
| coordinator frozen for 60 s           | `frozen-host`                                                              |
| node frozen for 60 s                  | `frozen-node`                                                              |
| certificate expired                   | `certificates`; renewed by itself: tests/node/test_agent.py                 |
| certificate not yet valid             | `certificates`                                                             |
| certificate of another authority      | `certificates`; also tests/rpc/test_guard.py                                |
| a node's certificate as a server's    | `certificates` (working port); tests/rpc/test_joining.py (joining port)     |
| certificate revoked                   | `certificates`; the agent: tests/cluster/test_words.py                      |
| revoked in the middle of an upload    | `revoked-in-mid-upload`; in training: tests/cluster/test_owner.py           |
| invite used                           | tests/cluster/test_words.py; again in `lost-reply`                          |
| invite expired                        | tests/cluster/test_words.py                                                |
| invite cut or mistyped                | tests/cluster/test_words.py                                                |
| invite guessed                        | `guessed-invite`; at the same moment: tests/rpc/test_joining.py             |
| a man in the middle                   | `man-in-the-middle`; before a word is said: tests/rpc/test_joining.py       |
| reply to a join lost                  | `lost-reply`; also tests/rpc/test_joining.py                                |
"""
