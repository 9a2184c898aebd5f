"""A real child for the tests: it answers each line, chatters between them, and may be told to be stubborn."""

from __future__ import annotations

import json
import signal
import sys


def main() -> None:
    for line in sys.stdin:
        words = json.loads(line)
        if words.get("op") == "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print(json.dumps({"fact": "stubborn"}), flush=True)
            while True:
                signal.pause()
        print("chatter of a library, not JSON", flush=True)
        print(json.dumps({"fact": "heard", "what": words}), flush=True)
    print(json.dumps({"fact": "goodbye"}), flush=True)


if __name__ == "__main__":
    main()
