"""The run's tokenizer: any tokenizer.json, a SentencePiece .model or a tiktoken .tiktoken file; or one trained here.

`tokenizer` opens and encodes; `fast` is its quick way for byte-level BPE; `convert` makes a tokenizer.json of the other
two; `training` learns one from the owner's text.
"""
