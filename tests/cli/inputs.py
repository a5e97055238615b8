#!/usr/bin/env python3
"""Small inputs for the tests of the command: inputs.py FOLDER. Standard library only.

pool.npy        (1500, 16) f4, 12 blobs of different size, 30 exact and some near duplicates
big.npy         (60000, 32) f4: a run long enough to be stopped
corpus.jsonl    900 texts with id, category, gloss
bad_*           one fault each, see below
"""
import array
import json
import os
import random
import struct
import sys


def npy(path, descr, shape, data, claim=None):
    """Version 1 .npy; `claim` is the shape that the header tells when it should lie."""
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, claim or shape)
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data)


def floats(rows):
    flat = array.array("f", (x for row in rows for x in row))
    if sys.byteorder == "big":
        flat.byteswap()
    return flat.tobytes()


def f4(path, rows, claim=None):
    npy(path, "<f4", (len(rows), len(rows[0])), floats(rows), claim)


def blobs(rng, n, d, k, spread):
    centres = [[rng.gauss(0, 3) for _ in range(d)] for _ in range(k)]
    rows = []
    for _ in range(n):
        c = centres[min(int(rng.random() ** 2 * k), k - 1)]
        rows.append([x + rng.gauss(0, spread) for x in c])
    return rows


def main(out):
    rng = random.Random(1)
    os.makedirs(out, exist_ok=True)
    at = lambda name: os.path.join(out, name)

    rows = blobs(rng, 1500, 16, 12, 0.8)
    for i in range(30):
        rows[1400 + i] = list(rows[3 * i])
    for i in range(20):
        rows[1450 + i] = [x * (1 + 1e-4 * rng.random()) for x in rows[5 * i + 1]]
    f4(at("pool.npy"), rows)
    f4(at("shard_0.npy"), rows[:700])
    f4(at("shard_1.npy"), rows[700:])
    f4(at("tiny.npy"), rows[:6])
    with open(at("raw.f32"), "wb") as f:
        f.write(floats(rows[:100]))

    base = array.array("f", (rng.gauss(0, 1) for _ in range(4096)))
    big = array.array("f")
    for i in range(60000):
        k = rng.randrange(4096 - 32)
        big.extend(base[k : k + 32])
        big[-1] = i * 1e-3
    npy(at("big.npy"), "<f4", (60000, 32), big.tobytes())

    words = ["".join(rng.choice("bdklmnrst") + rng.choice("aeiou") for _ in range(3)) for _ in range(300)]
    with open(at("corpus.jsonl"), "w") as f:
        for i in range(900):
            topic = i % 9
            text = " ".join(rng.choice(words[topic * 30 : topic * 30 + 60]) for _ in range(12))
            if i % 100 == 99:
                text = last
            f.write(json.dumps({"id": "t%04d" % i, "category": "c%d" % topic, "gloss": text}) + "\n")
            last = text

    # One fault each.
    def fault(name, row, column, value):
        copy = [list(r) for r in rows[:200]]
        copy[row][column] = value
        f4(at(name), copy)

    fault("bad_nan.npy", 77, 3, float("nan"))
    fault("bad_inf.npy", 78, 3, float("-inf"))
    zero = [list(r) for r in rows[:200]]
    zero[79] = [0.0] * 16
    f4(at("bad_zero.npy"), zero)
    f4(at("bad_larger.npy"), rows[:200], claim=(5000, 16))
    whole = open(at("pool.npy"), "rb").read()
    with open(at("bad_truncated.npy"), "wb") as f:
        f.write(whole[: len(whole) - 100])
    with open(at("bad_short.npy"), "wb") as f:
        f.write(whole[:20])
    npy(at("bad_object.npy"), "|O", (4, 4), b"\x80\x04]q\x00." + b"\0" * 64)
    with open(at("bad_raw.npy"), "wb") as f:
        f.write(floats(rows[:200]))
    npy(at("bad_vector.npy"), "<f4", (16,), floats(rows[:1]), claim="(16,)")
    f4(at("bad_d_0.npy"), rows[:100])
    f4(at("bad_d_1.npy"), [r[:12] for r in rows[:100]])
    with open(at("bad_empty.npy"), "wb"):
        pass

    lines = open(at("corpus.jsonl"), "rb").read().splitlines(True)

    def corpus(name, number, line):
        with open(at(name), "wb") as f:
            f.writelines(lines[: number - 1] + [line + b"\n"] + lines[number:])

    corpus("bad_json.jsonl", 42, b'{"id": "x", "gloss": "half a line')
    corpus("bad_missing.jsonl", 43, b'{"id": "x", "category": "c1"}')
    corpus("bad_utf8.jsonl", 44, b'{"id": "x", "category": "c1", "gloss": "caf\xe9 au lait"}')
    corpus("bad_id.jsonl", 45, lines[2].rstrip())


main(sys.argv[1])
