"""The power is cut at any moment between two writes of the store (RELIABILITY F3).

A real worker's writes and answers are recorded under load. From the recording come images of the file as a power cut
could leave it: everything the disk had confirmed, and of the rest each page or not, by chance. Bars: in every image all
events acknowledged until then are there, the store's check is clean, and the next commit goes through. As a control the
same is done for a disk that lies about most of its syncs: there faults must be found, or the method would see none.
"""

import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from tests.torture_parts.harness import Setup, folder, free_port, in_memory, platforms, running
from tests.torture_parts.images import Judge, Verdict, judging
from tests.torture_parts.load import loading
from tests.torture_parts.recording import TRACE, Acked, Step, Synced, Write, read_recording
from tests.torture_parts.tracing import need_strace

WORDS = 5  # of faults, in the figures
LIES = 20  # the control's disk tells the truth once in so many syncs


class Image(Struct, frozen=True, kw_only=True):
    """A store's file as a power cut left it, and what had been acknowledged by then."""

    data: bytes
    acked: frozenset[str]
    unsynced: int  # pages whose fate chance decided


async def run(full: bool) -> dict[str, object]:
    need_strace()
    recordings, images_each, acks = (10, 500, 400) if full else (1, 50, 100)
    missed: list[str] = []
    looked = steps = unsynced = found = 0
    for number in range(recordings):
        with folder() as directory:
            trace = await _record(directory, acks)
            recorded = list(read_recording(trace))
        steps += len(recorded)
        async with judging() as judge:
            for image in cut(recorded, random.Random(number), images_each):
                looked += 1
                unsynced += image.unsynced
                missed += [f"recording {number}, image {looked}: {fault}" for fault in await _look(judge, image)]
            for image in cut(recorded, random.Random(number), 20, truth=LIES):
                found += bool(await _look(judge, image))
    if not found:
        missed.append("the control found nothing")
    return {
        "images": looked,
        "steps_recorded": steps,
        "unsynced_pages_an_image": round(unsynced / looked, 1),
        "faults": len(missed),
        "faults_of_the_control": f"{found} of {20 * recordings}",
        "missed": missed[:WORDS],
    }


async def _record(directory: Path, acks: int) -> Path:
    """The trace of a worker from its very first write on."""
    trace = directory / "trace"
    async with platforms() as held:
        prefix = ("strace", "--seccomp-bpf", *TRACE, "-o", str(trace))
        setup = Setup(directory=directory, platforms=held, port=free_port(), prefix=prefix)
        async with running(setup) as gateway, loading(setup.port, "cut", 6) as load:
            await load.wait_acks(acks)
            await load.end()
            await gateway.stop()
    return trace


def cut(steps: Sequence[Step], chance: random.Random, images: int, truth: int = 1) -> Iterator[Image]:
    """Images at moments spread over the recording, after any step; the store is not yet there at the first ones.

    `truth`: the disk keeps to every so-manieth sync.
    """
    first = next(index for index, step in enumerate(steps) if isinstance(step, Acked))
    cuts = sorted(chance.randrange(first // 2, len(steps)) for _ in range(images))
    durable, pending, acked, syncs = bytearray(), list[Write](), set[str](), 0
    for index, step in enumerate(steps):
        match step:
            case Write():
                pending.append(step)
            case Synced():
                syncs += 1
                if syncs % truth == 0:
                    _confirm(durable, pending)
            case Acked(event_ids=event_ids):
                acked.update(event_ids)
        while cuts and cuts[0] == index:
            cuts.pop(0)
            yield _image(durable, pending, acked, chance)


def _image(durable: bytearray, pending: Sequence[Write], acked: set[str], chance: random.Random) -> Image:
    data = bytearray(durable)
    share = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    for write in pending:
        if chance.random() < share:
            _put(data, write)
    return Image(data=bytes(data), acked=frozenset(acked), unsynced=len(pending))


def _confirm(durable: bytearray, pending: list[Write]) -> None:
    for write in pending:
        _put(durable, write)
    pending.clear()


def _put(data: bytearray, write: Write) -> None:
    end = write.offset + len(write.data)
    if len(data) < end:
        data.extend(bytes(end - len(data)))
    data[write.offset : end] = write.data


async def _look(judge: Judge, image: Image) -> list[str]:
    with folder(in_memory()) as directory:
        store = directory / "data"
        store.mkdir()
        (store / "data.mdb").write_bytes(image.data)
        verdict = await judge.look(store)
        shutil.rmtree(store)
    return list(faults(verdict, image))


def faults(verdict: Verdict, image: Image) -> Iterator[str]:
    if verdict.died or verdict.refused:
        yield verdict.died or verdict.refused
    if verdict.held is not None:
        lost = image.acked - verdict.held.ids
        if lost:
            yield f"{len(lost)} of {len(image.acked)} acknowledged events are lost"
        yield from verdict.held.problems
