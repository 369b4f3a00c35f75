"""How quick the store of conversations is: ``python tests/measure_store.py``. Medians; nothing is asserted.

5,000 messages of about 600 letters in one conversation, on the disk of the temporary folder (``TMPDIR``).
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.conversation import Conversation, Message, MessageStatus
from app.store.sqlite_store import DATABASE, SqliteStore
from inference.messages import Text

MESSAGES = 5000
FRAMES = 300
FRAME_SECONDS = 0.033
TEXT = (
    "time garden river question answer model picture colour number light water stone music letter window morning "
    "evening bridge island forest engine memory language table paper mountain village summer winter travel"
)
WORDS = TEXT.split(" ")


def median_ms(work: Callable[[], object], runs: int = 21) -> float:
    taken = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - begun))
    return statistics.median(taken)


def main() -> None:
    draw = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder))
        conversation = Conversation(title="A long one")
        store.create(conversation)
        parent: str | None = None
        begun = time.perf_counter()
        for number in range(MESSAGES):
            rare = " xylophone" if number % 1000 == 500 else ""
            text = " ".join(draw.choices(WORDS, k=100)) + rare
            message = Message("assistant" if number % 2 else "user", (Text(text),), parent)
            last = store.append(conversation.id, message)
            parent = message.id
        last.result()
        print(f"append {MESSAGES} messages             {time.perf_counter() - begun:8.2f} s")
        store.close()
        print(f"size of the database              {Path(folder, DATABASE).stat().st_size / 1e6:8.1f} MB")

        def opened() -> None:
            nonlocal store
            store = SqliteStore(Path(folder))
            store.conversation(conversation.id).result()
            store.page(conversation.id).result()

        def open_and_close() -> None:
            opened()
            store.close()

        print(f"open the store, read first page   {median_ms(open_and_close, 7):8.1f} ms  (and close it)")
        opened()
        print(
            f"first page of {MESSAGES} messages       {median_ms(lambda: store.page(conversation.id).result()):8.1f} ms"
        )
        middle = store.path(conversation.id).result()[MESSAGES // 2].id
        taken = median_ms(lambda: store.page(conversation.id, middle).result())
        print(f"a page in the middle              {taken:8.1f} ms")
        print(f"the whole path                    {median_ms(lambda: store.path(conversation.id).result(), 5):8.1f} ms")
        for words in ("xylophone", "xyl", "gar", "garden river", "g", "nowhere"):
            hits = len(store.search(words).result())
            taken = median_ms(lambda words=words: store.search(words).result())  # type: ignore[misc]
            print(f"search {words!r:<18} {hits:3d} hits {taken:8.1f} ms")

        reply = Message("assistant", (), parent, status=MessageStatus.STREAMING)
        store.append(conversation.id, reply).result()
        calls, writes = [], []
        for _ in range(FRAMES):
            reply = reply.extended(Text("seven tokens of text that came in "))
            begun = time.perf_counter()
            future = store.update(reply)
            calls.append(1000 * (time.perf_counter() - begun))
            future.result()
            writes.append(1000 * (time.perf_counter() - begun))
            time.sleep(FRAME_SECONDS)  # as frames come
        worst = sorted(writes)[int(0.99 * FRAMES)]
        print(f"a frame: call on the GUI thread   {statistics.median(calls):8.3f} ms")
        print(f"a frame: until it is written      {statistics.median(writes):8.2f} ms  (99 %: {worst:.2f} ms)")
        begun = time.perf_counter()
        store.finish(reply).result()
        print(f"the end of the reply, synced      {1000 * (time.perf_counter() - begun):8.2f} ms")
        store.close()


if __name__ == "__main__":
    main()
