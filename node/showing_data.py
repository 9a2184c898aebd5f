"""What `potluck node data ...` shows: for people, with rich; every number is of this PC's own text."""

from __future__ import annotations

from typing import Any

from node import adding
from node.showing import console, held_out
from shared.errors import printable
from shared.saying import say
from shared.units import day_words, plural, size_words

Words = dict[str, Any]


def added(counts: Words) -> None:
    """What became of the folder."""
    sample = f" (of {size_words(counts['read_bytes'])} read of it)" if counts.get("dry_run") else ""
    name, held = counts["name"], held_out(counts)
    say(f"{name}: {adding.counts_words(counts)}{sample}; {held} of it is held out for testing.")
    for line in left_out(counts):
        say(line, below=2)
    for line in counts["skipped_words"]:
        say(f"Skipped {line}.", below=2)
    if counts.get("dry_run"):
        say("Nothing was kept: this was a dry run. Copies of other collections were not looked for.")
        return
    say("The host will see these counts." if counts.get("shared") else "The host will not be told these counts.")
    say(f"What was kept, dropped and blanked: potluck node data report {name}")


def left_out(counts: Words) -> list[str]:
    """What was not kept, blanked or is to be looked at, a line each."""
    lines = []
    if copies := sum(counts.get("copies", {}).values()):
        of = ", ".join(counts.get("copies_of", {}))
        where = f"what stands elsewhere, too (also in {of})" if of else "what stands elsewhere, too"
        lines.append(f"Left out {plural(copies, 'copy', 'copies')} of {where}.")
    for rule, number in sorted(counts.get("dropped", {}).items(), key=lambda item: -item[1]):
        lines.append(f'Dropped {plural(number, "document")} by the rule "{rule}"{_meaning(counts, rule)}.')
    if blanked := counts.get("blanked", {}):
        kinds = (f"{number:,} {kind}{_meaning(counts, kind)}" for kind, number in sorted(blanked.items()))
        lines.append(f"Blanked {', '.join(kinds)}.")
    if findings := counts.get("findings", 0):
        lines.append(f"Found {plural(findings, 'thing')} that somebody may have planted: look at the report.")
    return lines


def _meaning(words: Words, name: str) -> str:
    """A rule or a kind, for who never heard of it."""
    meaning = words.get("meanings", {}).get(name)
    return f" ({meaning})" if meaning else ""


def collection(words: Words) -> None:
    """Counts, then samples as they are learnt."""
    shown = console()
    counts, added_on = adding.counts_words(words), day_words(words["added"])
    say(f"{words['name']}: {counts}, from {words['source_words']}, added {added_on}")
    for line in left_out(words):
        say(line, below=2)
    for sample in words["samples"]:
        shown.rule(f"{'trained on' if sample['in'] == 'train' else 'held out'}: {sample['file']}", align="left")
        shown.print(printable(sample["text"]), soft_wrap=not shown.is_terminal)


def checked(words: Words) -> None:
    """Each damaged file, or that all is well."""
    for name, sentences in words["damages"].items():
        for sentence in sentences:
            say(f"{name}: {sentence}", below=2)
    if not words["checked"]:
        say("No data yet: potluck node data add FOLDER --name NAME")
    elif fine := words["checked"] - len(words["damages"]):
        say(f"{plural(fine, 'collection')} as written ({size_words(words['bytes'])} read in all).")


def preview(words: Words) -> None:
    """Before and after, side by side in colour where there is any."""
    from rich.text import Text

    shown = console()
    for stage, samples in words["changed"].items():
        shown.rule(stage, align="left")
        for one in samples:
            shown.print(Text(one["file"], style="dim"))
            shown.print(Text(f"- {one['before']}", style="red"))
            shown.print(Text(f"+ {one['after']}", style="green"))
    for rule, samples in words["dropped"].items():
        shown.rule(f"dropped: {rule}{_meaning(words, rule)}", align="left")
        for one in samples:
            shown.print(Text(one["file"], style="dim"))
            shown.print(Text(printable(one["text"])))
    shown.print(f"{plural(words['documents'], 'document')} looked at. Nothing of this is kept; only you have seen it.")


def removed(words: Words) -> None:
    """What went, and what other collections lost by it."""
    say(f"{words['name']} is gone ({size_words(words['bytes'])}). Your own files are where they were.")
    for name, number in words["left_out"].items():
        say(
            f"{name} had left out {plural(number, 'document')} as copies of it. "
            f"To have them back: potluck node data add FOLDER --name {name} --replace"
        )
