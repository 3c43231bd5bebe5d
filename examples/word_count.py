"""Count words in many files, on a cluster: python word_count.py [--scheduler ADDRESS] FILE...

Without an address a cluster is started on this machine. The workers read the files, so they have to
see the same ones; what travels are names and counts. It needs:
python -m pip install 'giambio[dask]'
"""

import argparse
import collections
import pathlib
import re

import giambio

TOP = 10


def count(path):
    """Count the words of a file; on a worker."""
    text = pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    return collections.Counter(re.findall(r"\w+", text.lower()))


async def main(options):
    async with giambio.ClusterManager(options.scheduler) as cluster:
        # A file that cannot be read fails the whole, and the other calls are cancelled.
        counts = await cluster.map_concurrent(count, map(str, options.files))
    total = sum(counts, collections.Counter())
    for word, times in sorted(total.items(), key=lambda item: (-item[1], item[0]))[:TOP]:
        print(f"{times:8} {word}")


if __name__ == "__main__":  # workers of this machine import this file
    parser = argparse.ArgumentParser(description="Count words in many files.")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="such as tcp://10.0.0.1:8786")
    parser.add_argument("files", metavar="FILE", type=pathlib.Path, nargs="+")
    giambio.run(main, parser.parse_args())
