"""Debian's archive, by an apt with a configuration of its own: the machine's stays as it is."""

from __future__ import annotations

from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR = "http://deb.debian.org/debian"


def options(folder: Path, *entries: tuple[str, str]) -> list[str]:
    """Return options for apt's programs which keep to a folder.

    Parameters:
        folder: for all that apt writes; `apt-get update` with these options comes first.
        entries: what of the archive is meant: ``deb`` or ``deb-src``, and a suite.
    """
    lists, archives = folder / "lists", folder / "cache"
    for new in (lists / "partial", archives / "archives" / "partial"):
        new.mkdir(parents=True)
    sources = folder / "sources.list"
    lines = (f"{kind} [signed-by={KEYRING}] {MIRROR} {suite} main\n" for kind, suite in entries)
    sources.write_text("".join(lines), encoding="utf-8")
    settings = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": lists,
        "Dir::Cache": archives,
        # A mirror's index may be past its date; its signature is checked all the same.
        "Acquire::Check-Valid-Until": "false",
        "APT::Sandbox::User": "root",
    }
    return [f"-o{name}={value}" for name, value in settings.items()]
