"""openai's helper that uploads many files knows asyncio and Trio; anything else it refuses.

`client.vector_stores.file_batches.upload_and_poll()` asks sniffio and raises a `RuntimeError`
when the answer is neither. All else in the library is httpx2's and AnyIO's. In a giambio task,
and only there, a task of giambio's uploads each file; then the library itself makes the batch.

Tested with the versions in `TESTED`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from giambio.kernel import current_library
from giambio.tasks.manager import TaskManager

__all__ = ["SPOT", "TESTED", "adapted"]

TESTED = {"openai": "3.57.0"}

#: The function that is replaced. `upload_and_poll` calls it with all arguments, and
#: `resources.vector_stores.file_batches` has imported it under another name.
SPOT = "async_upload_and_poll_vector_store_file_batch"


def adapted(
    original: Callable[..., Awaitable[Any]], just_loaded: bool
) -> Callable[..., Awaitable[Any]]:
    """See `finder.adapt`."""

    async def async_upload_and_poll_vector_store_file_batch(
        resource: Any,
        vector_store_id: str,
        *,
        files: Iterable[Any],
        max_concurrency: int,
        file_ids: Sequence[str],
        poll_interval_ms: Any,
        chunking_strategy: Any,
    ) -> Any:
        options = {"poll_interval_ms": poll_interval_ms, "chunking_strategy": chunking_strategy}
        if current_library.local.name != current_library.NAME:
            options |= {"files": files, "max_concurrency": max_concurrency, "file_ids": file_ids}
            return await original(resource, vector_store_id, **options)
        uploaded: list[str] = []

        async def upload(file: Any) -> None:
            created = await resource._client.files.create(file=file, purpose="assistants")
            uploaded.append(created.id)

        async with TaskManager(limit=max_concurrency) as manager:
            for file in files:
                await manager.spawn(upload, file)
        return await resource.create_and_poll(
            vector_store_id=vector_store_id, file_ids=[*file_ids, *uploaded], **options
        )

    return async_upload_and_poll_vector_store_file_batch
