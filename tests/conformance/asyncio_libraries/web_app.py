"""The same app with Starlette and with FastAPI; its handlers use giambio."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import giambio

__all__ = ["fastapi", "starlette"]

fastapi = FastAPI()


@fastapi.get("/echo/{token}")
async def echo(token: str) -> str:
    """Answer late enough to be cancelled."""
    await asyncio.sleep(0.001)
    return token


@fastapi.get("/manager")
async def manager() -> list[Any]:
    """Use a TaskManager and a scope."""
    async with giambio.TaskManager() as manager:
        tasks = [await manager.spawn(giambio.sleep, 0.001) for _ in range(3)]
    with giambio.move_on_after(0.01) as scope:
        await asyncio.sleep(60)
    return [len(tasks), scope.cancelled_caught]


@fastapi.get("/loop")
async def loop() -> str:
    """Tell the module of the loop."""
    return type(asyncio.get_running_loop()).__module__


async def starlette_echo(request: Request) -> JSONResponse:
    return JSONResponse(await echo(request.path_params["token"]))


async def starlette_manager(request: Request) -> JSONResponse:
    return JSONResponse(await manager())


async def starlette_loop(request: Request) -> JSONResponse:
    return JSONResponse(await loop())


starlette = Starlette(
    routes=[
        Route("/echo/{token}", starlette_echo),
        Route("/manager", starlette_manager),
        Route("/loop", starlette_loop),
    ]
)
