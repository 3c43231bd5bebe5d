"""Pytest plugin that puts giambio's loop in the place of asyncio's."""

import warnings

import giambio.asyncio

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.14, about policies
    giambio.asyncio.install()
