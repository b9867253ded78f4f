#!/usr/bin/env python3
"""One connection against fifty: what each of many address blocks gets of an open HTTP outlet's grade full.

    bench/fifty.py PORT [CLIENTS] [MORE] [SECONDS] [LONGEST_PAUSE]

Each client asks for 64 bytes at a time, and again after a pause of up to LONGEST_PAUSE seconds; the first
has MORE connections more. Prints least, most, Jain's index and what the first had.
"""
import asyncio
import random
import sys

PORT, CLIENTS, MORE, SECONDS, PAUSE = [
    kind(given) for kind, given in zip((int, int, int, float, float), [*sys.argv[1:], "40", "50", "60", "0.5"][: 5])
] if len(sys.argv) >= 6 else [int(sys.argv[1]), 40, 50, 60.0, 0.5]
WARM_UP = 10
got = [0] * CLIENTS


async def connection(client):
    source = f"10.0.{client + 1}.1"
    reader, writer = await asyncio.open_connection("10.0.0.1", PORT, local_addr=(source, 0))
    while True:
        writer.write(b"GET /v1/random?bytes=64&grade=full&wait=60s HTTP/1.1\r\nHost: hub\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        size = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(size)
        if head.startswith(b"HTTP/1.1 200"):
            got[client] += size
        await asyncio.sleep(random.uniform(PAUSE / 10, PAUSE))


async def main():
    tasks = [asyncio.create_task(connection(c)) for c in [*range(CLIENTS), *[0] * MORE]]
    await asyncio.sleep(WARM_UP)
    before = list(got)
    await asyncio.sleep(SECONDS)
    shares = [now - then for now, then in zip(got, before)]
    problems = [t.exception() for t in tasks if t.done()]
    for task in tasks:
        task.cancel()
    assert not problems, problems
    jain = sum(shares) ** 2 / (len(shares) * sum(s * s for s in shares))
    print(f"{CLIENTS} clients, one with {MORE} connections more, {SECONDS:.0f} s, pauses of up to {PAUSE} s: "
          f"from {min(shares)} to {max(shares)} bytes each, the one {shares[0]}; Jain index {jain:.5f} (limit 0.999)")


asyncio.run(main())
