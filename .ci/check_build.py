"""Makes sure that the installed giambio is the build which a test run is meant to test.

Usage: python check_build.py compiled|pure
"""

import importlib.util
import sys

import giambio

WHY_PURE = "GIAMBIO_NO_EXTENSIONS was set when it was installed"

expected = sys.argv[1]
info = giambio.build_info()
print(info)
assert info.build == expected, f"this should be the {expected} build"
assert info.reason == ("" if expected == "compiled" else WHY_PURE), info.reason
assert giambio.__path__[0].startswith(sys.prefix), f"not the installed one: {giambio.__path__}"
assert importlib.util.find_spec("Cython") is None, "it must run without Cython"
