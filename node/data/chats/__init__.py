"""Chat exports (WhatsApp, Telegram, Discord) as conversations in which the owner is the assistant.

`exports` is the way in: which program wrote a file, who speaks in it, its conversations. `parts` is the way out: what
of a conversation is trained on and what is tested.
"""
