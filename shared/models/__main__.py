"""`python -m shared.models materialise|merge|shrink`: for processes that may not import numpy. Prints one JSON fact."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from shared.disk import private_folder
from shared.errors import PotluckError
from shared.models import default_cache as default_cache
from shared.models import materialise, merge_adapter
from shared.models.warm import shrink, sizes_of


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m shared.models", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("materialise", help="a name or folder -> a Hugging Face folder")
    make.add_argument("model")
    make.add_argument("--folder", default=".", help="where relative paths start")
    make.add_argument("--cache", type=Path, default=default_cache())
    merge = commands.add_parser("merge", help="base and adapter -> merged folder")
    merge.add_argument("--base", type=Path, required=True)
    merge.add_argument("--adapter", type=Path, required=True)
    merge.add_argument("--out", type=Path, required=True)
    shrink_ = commands.add_parser("shrink", help="a smaller model, started from a larger one")
    shrink_.add_argument("source", help="the larger model")
    shrink_.add_argument("size", help="a named size, or a config.json")
    shrink_.add_argument("--to", type=Path, required=True)
    shrink_.add_argument("--cache", type=Path, default=default_cache())
    options = parser.parse_args()
    try:
        if options.command == "materialise":
            fact = {"fact": "materialised", "folder": str(materialise(options.model, options.folder, options.cache))}
        elif options.command == "shrink":
            larger, sizes = materialise(options.source, ".", options.cache), sizes_of(options.size, ".")
            shrink(larger, sizes, private_folder(options.to))
            fact = {"fact": "shrunk", "folder": str(options.to), "larger": str(larger)}
        else:
            fact = {"fact": "merged", "folder": str(merge_adapter(options.base, options.adapter, options.out))}
    except PotluckError as error:
        print(json.dumps({"fact": "failed", "op": options.command, "sentence": error.sentence}), flush=True)
        return 1
    print(json.dumps(fact), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
