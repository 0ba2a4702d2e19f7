"""Lack of memory, by one name whichever library meets it.

Belongs here: telling it from other errors. Does not belong here: what is done without a model (callers fall back).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

WORDS = ("bad_alloc", "bad allocation", "cannot allocate", "out of memory")


@contextmanager
def memory_errors() -> Iterator[None]:
    """What LightGBM says where memory ran out comes as a `MemoryError`, as numpy's does.

    Raises:
        MemoryError: memory ran out; the message says what can be done.
    """
    import lightgbm as lgb  # a second of import that loading the package should not cost

    advice = "free memory, or set ENERGY_THREADS=1 so that kinds of meters are trained one after another"
    try:
        yield
    except MemoryError as error:
        raise MemoryError(f"out of memory in training ({error}): {advice}") from error
    except lgb.basic.LightGBMError as error:
        if not any(word in str(error).lower() for word in WORDS):
            raise
        raise MemoryError(f"out of memory in training ({error}): {advice}") from error
