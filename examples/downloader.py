"""Downloads files, several at a time: python downloader.py [--limit N] [--into FOLDER] URL …

On a terminal it shows a bar for each, elsewhere a line when one is complete. It needs:
python -m pip install 'giambio[anyio]' httpx rich
"""

import argparse
import functools
import sys
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

import giambio

REDRAW = 0.1  # seconds


async def redraw(progress):
    while True:
        progress.refresh()
        await giambio.sleep(REDRAW)


async def save(response, target, advance):
    """Write what comes to a file, which has its name when it is complete."""
    part = target.with_name(target.name + ".part")
    file = await giambio.open_file(part, "xb")  # an error if somebody writes it already
    try:
        async with file:
            async for data in response.aiter_bytes():
                await file.write(data)
                advance(response.num_bytes_downloaded)
        await part.replace(target)
    except BaseException:
        with giambio.CancelScope(shield=True):
            await part.unlink(missing_ok=True)
        raise


async def download(client, folder, progress, url):
    """Download a file, and return its path."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name.lstrip(".") or "index.html"
    target = folder / name
    if await target.exists():
        raise FileExistsError(f"{target} exists already")
    async with client.stream("GET", url) as response:
        response.raise_for_status()
        size = response.headers.get("Content-Length")
        bar = progress.add_task(name, total=int(size) if size else None)
        await save(response, target, lambda done: progress.update(bar, completed=done))
    if not progress.console.is_terminal:
        print(target)
    return target


async def main(urls, folder, limit):
    folder = giambio.Path(folder)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn()
    console = Console(stderr=True)
    progress = Progress(
        *columns, console=console, auto_refresh=False, disable=not console.is_terminal
    )
    async with (
        httpx.AsyncClient(follow_redirects=True) as client,
        giambio.TaskManager() as manager,
    ):
        with progress:
            manager.start_soon(redraw, progress)
            work = functools.partial(download, client, folder, progress)
            results = await giambio.map_concurrent(work, urls, limit=limit, return_exceptions=True)
        manager.cancel()
    failures = 0
    for url, result in zip(urls, results, strict=True):
        if isinstance(result, Exception):
            failures += 1
            reason = str(result).partition("\n")[0] or type(result).__name__
            print(f"{url}: {reason}", file=sys.stderr)
    return failures


parser = argparse.ArgumentParser(description="Download files.")
parser.add_argument("urls", metavar="URL", nargs="+")
parser.add_argument("--into", metavar="FOLDER", default=".")
parser.add_argument("--limit", metavar="N", type=int, default=4, help="how many at a time; 4")
options = parser.parse_args()
if options.limit < 1:
    parser.error("--limit must be at least 1")
try:
    sys.exit(giambio.run(main, options.urls, options.into, options.limit) > 0)
except KeyboardInterrupt:
    sys.exit(130)
