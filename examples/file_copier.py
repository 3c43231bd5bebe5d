"""Copies files, several at a time: python file_copier.py [--limit N] FILE … FOLDER

A file is written beside its place and put there when it is complete: whatever happens, nobody
finds half of it under its name. How far it has got is shown on a terminal.
"""

import argparse
import functools
import os
import shutil
import sys

import giambio

CHUNK = 1 << 20


class Progress:
    """A line that is drawn over and over, on a terminal only."""

    def __init__(self, total):
        self.total = total
        self.done = 0
        self.shown = None

    def add(self, size):
        self.done += size
        percent = min(100 * self.done // max(self.total, 1), 100)
        if sys.stderr.isatty() and percent != self.shown:
            self.shown = percent
            print(f"\r{percent:3} % of {self.total:,} bytes", end="", file=sys.stderr, flush=True)

    def end(self):
        if self.shown is not None:
            print(file=sys.stderr)


async def copy(folder, progress, source):
    """Copy a file, with its permissions."""
    target = folder / source.name
    if await target.exists() and await target.samefile(source):
        raise shutil.SameFileError("that is the same file")
    part = folder / f".{source.name}.{os.getpid()}.part"
    async with giambio.open_file(source, "rb") as reader:
        try:
            async with giambio.open_file(part, "xb") as writer:
                while data := await reader.read(CHUNK):
                    await writer.write(data)
                    progress.add(len(data))
                await writer.fsync()
            await part.chmod((await source.stat()).st_mode & 0o777)
            await part.replace(target)
        except BaseException:
            with giambio.CancelScope(shield=True):
                await part.unlink(missing_ok=True)
            raise


async def main(names, folder, limit):
    sources = [giambio.Path(name) for name in names]
    total = sum([(await source.stat()).st_size for source in sources if await source.is_file()])
    progress = Progress(total)
    work = functools.partial(copy, giambio.Path(folder), progress)
    try:
        results = await giambio.map_concurrent(work, sources, limit=limit, return_exceptions=True)
    finally:
        progress.end()
    failures = 0
    for source, error in zip(sources, results, strict=True):
        if isinstance(error, OSError):
            failures += 1
            print(f"{source}: {error.strerror or error}", file=sys.stderr)
        elif error is not None:
            raise error
    print(f"copied {len(sources) - failures} of {len(sources)} files")
    return failures


parser = argparse.ArgumentParser(description="Copy files into a folder.")
parser.add_argument("files", metavar="FILE", nargs="+")
parser.add_argument("folder", metavar="FOLDER")
parser.add_argument("--limit", metavar="N", type=int, default=4, help="how many at a time; 4")
options = parser.parse_args()
if len({os.path.basename(name) for name in options.files}) < len(options.files):
    parser.error("two of the files have the same name")
if not os.path.isdir(options.folder):
    parser.error(f"not a folder: {options.folder}")
if options.limit < 1:
    parser.error("--limit must be at least 1")
try:
    sys.exit(giambio.run(main, options.files, options.folder, options.limit) > 0)
except KeyboardInterrupt:
    sys.exit(130)
