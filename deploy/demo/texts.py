"""Real texts for three friends: the Debian handbook in German, French and Japanese, one language each.

The handbook (GPL-2+ or CC-BY-SA-3.0) is fetched as a Debian package and never committed. It is the same book in every
language, so the same files are held out in all of them; paragraphs that the translators left in English are dropped.
Where there is no apt, the friends read what every Python brings: its library and its language reference.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from node.data.reading.texts import text_paragraphs
from node.data.reading.webpages import html_paragraphs
from shared.models import default_cache

PACKAGE = "debian-handbook"
LANGUAGES = {"de": "de-DE", "fr": "fr-FR", "ja": "ja-JP"}
ENGLISH = "en-US"
SHORTEST = 40  # characters; what is not longer is a heading, a name or a link
EVERY = 10  # every tenth file is held out
ENOUGH = 1_000_000  # characters a friend, about what the handbook has in one language
PATIENCE = 300.0  # seconds for one apt command
PROMPTS = {
    "de": "Das Debian-Projekt ist",
    "fr": "Le projet Debian est",
    "ja": "Debian プロジェクトは",
    "packages": "class Request:",
    "modules": "def main():",
    "topics": "The import statement",
}
Texts = dict[str, list[str]]  # file name -> paragraphs


class NoHandbookError(Exception):
    """The package cannot be had here; the sentence says why and what would help."""


def collect(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Write `folder`/NAME/*.txt for three friends; returns the folders and the globs of the files to hold out."""
    try:
        friends = handbook_texts(handbook(default_cache() / "texts"))
    except NoHandbookError as error:
        print(f"{error} So the friends read what every Python brings: its library and its language reference.")
        friends = python_texts()
    for name, texts in friends.items():
        _save(folder / name, texts)
    return {name: folder / name for name in friends}, held_out(friends.values())


def thirds(collection: Path, folder: Path, hold_out: list[str]) -> dict[str, Path]:
    """One friend's text dealt to three PCs, file by file; each also gets the test files, to be measured alike."""
    files = sorted(collection.glob("*.txt"))
    shares = {f"{collection.name}-{number}": folder / f"{collection.name}-{number}" for number in (1, 2, 3)}
    training = [file for file in files if file.name not in hold_out]
    for index, share in enumerate(shares.values()):
        share.mkdir(parents=True, exist_ok=True)
        for file in [*training[index::3], *(file for file in files if file.name in hold_out)]:
            shutil.copyfile(file, share / file.name)
    return shares


def held_out(friends: Iterable[Texts]) -> list[str]:
    """Every tenth file name of each friend; the same names in all languages, as the files are the same."""
    return sorted({name for texts in friends for name in sorted(texts)[::EVERY]})


def handbook_texts(html: Path) -> dict[str, Texts]:
    """The handbook's paragraphs by language and file: no short ones, none left in English."""
    english = {file.name: set(_html(file)) for file in sorted((html / ENGLISH).glob("*.html"))}
    friends: dict[str, Texts] = {}
    for friend, language in LANGUAGES.items():
        texts = {
            file.stem + ".txt": translated(_html(file), english.get(file.name, set()))
            for file in sorted((html / language).glob("*.html"))
        }
        friends[friend] = texts
    return friends


def translated(paragraphs: Iterable[str], english: set[str]) -> list[str]:
    """What somebody translated."""
    return [text for text in paragraphs if len(text) > SHORTEST and text not in english]


def handbook(cache: Path) -> Path:
    """The folder with one folder of HTML files a language; fetched once. Raises NoHandbookError."""
    target = cache / PACKAGE
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as name:
            work = Path(name)
            _command(["dpkg", "-x", str(_download(work)), "unpacked"], work)
            html = work / "unpacked" / "usr/share/doc" / PACKAGE / "html"
            for language in (ENGLISH, *LANGUAGES.values()):
                (work / "html" / language).mkdir(parents=True)
                for file in sorted((html / language).glob("*.html")):
                    shutil.copyfile(file, work / "html" / language / file.name)
            if not any((work / "html" / ENGLISH).iterdir()):
                raise NoHandbookError(f"The package {PACKAGE} does not hold what was expected.")
            try:
                os.replace(work / "html", target)
            except OSError:
                if not target.is_dir():  # else somebody else was faster
                    raise
    return target


def python_texts() -> dict[str, Texts]:
    """Library packages, single library modules, and the language reference."""
    from pydoc_data.topics import topics

    library = Path(sysconfig.get_path("stdlib"))
    packages = {
        f"{folder.name}.{file.stem}.txt": file
        for folder in sorted(library.iterdir())
        if (folder / "__init__.py").is_file() and folder.name not in ("test", "idlelib", "lib2to3", "pydoc_data")
        for file in sorted(folder.glob("*.py"))
    }
    modules = {f"{file.stem}.txt": file for file in sorted(library.glob("*.py"))}
    return {
        "packages": _enough(packages),
        "modules": _enough(modules),
        "topics": {f"{name}.txt": list(text_paragraphs(text)) for name, text in sorted(topics.items())},
    }


def _enough(files: Mapping[str, Path]) -> Texts:
    """Whole files, evenly picked, up to about `ENOUGH` characters."""
    step = max(1, round(sum(file.stat().st_size for file in files.values()) / ENOUGH))
    chosen = {name: list(text_paragraphs(files[name].read_text("utf-8", "replace"))) for name in sorted(files)[::step]}
    return {name: paragraphs for name, paragraphs in chosen.items() if paragraphs}


def _download(work: Path) -> Path:
    """The .deb file in `work`; the package lists are fetched first where that is needed and allowed."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise NoHandbookError("There is no apt on this PC to fetch the Debian handbook with.")
    fetch = ["apt-get", "download", "-o", "APT::Sandbox::User=root", PACKAGE]
    try:
        _command(fetch, work)
    except NoHandbookError:
        if os.geteuid() != 0:
            raise NoHandbookError(
                f"apt could not fetch {PACKAGE}; its lists may be missing (`sudo apt-get update`, then once more)."
            ) from None
        _command(["apt-get", "update"], work)
        _command(fetch, work)
    return next(work.glob(f"{PACKAGE}_*.deb"))


def _command(words: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise NoHandbookError(f"`{' '.join(words[:2])}` did not end within {PATIENCE:.0f} s.") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or "nothing").splitlines()[-1]
        raise NoHandbookError(f"`{' '.join(words[:2])}` failed: {said}.")


def _html(file: Path) -> list[str]:
    return list(html_paragraphs(file.read_text("utf-8")))


def _save(folder: Path, texts: Texts) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, paragraphs in texts.items():
        if paragraphs:
            (folder / name).write_text("\n\n".join(paragraphs) + "\n", "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.demo.texts", description=__doc__)
    parser.add_argument("out", type=Path, help="where the friends' folders go")
    folders, hold_out = collect(parser.parse_args().out)
    for name, folder in folders.items():
        print(f"{name}: {folder}")
    print("hold out: " + " ".join(hold_out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
