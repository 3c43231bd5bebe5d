"""Three sites at once: python scraper.py [--timeout SECONDS] [URL …]

The first program ever written for giambio, in today's clothes. It needs httpx:
python -m pip install 'giambio[anyio]' httpx
"""

import argparse

import httpx

import giambio

SITES = ["https://example.com", "https://www.python.org", "https://www.wikipedia.org"]


async def fetch(client, url, timeout):
    with giambio.fail_after(timeout):
        return await client.get(url)


async def main(urls, timeout):
    async with httpx.AsyncClient(follow_redirects=True, timeout=None) as client:
        tasks = [fetch(client, url, timeout) for url in urls]
        results = await giambio.gather(*tasks, return_exceptions=True)
    for url, result in zip(urls, results, strict=True):
        if isinstance(result, Exception):
            print(f"{url}: {type(result).__name__}: {result}")
        else:
            print(f"{url}: {result.status_code}, {len(result.content)} bytes")


parser = argparse.ArgumentParser(description="Fetch several sites at the same time.")
parser.add_argument("urls", metavar="URL", nargs="*", default=SITES)
parser.add_argument("--timeout", type=float, default=10, help="seconds for each site")
options = parser.parse_args()
giambio.run(main, options.urls, options.timeout)
