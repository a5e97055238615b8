#!/usr/bin/env python3
"""Draws docs/figures/hkmeans_rings.svg from real runs.   make_rings_figure.py BUILD

Rows, cells and measure are those of tests/regression/test_regression_cluster.c; each panel is one run with
seed 0, so its number may differ from the mean over seeds in results.csv.
"""
import math
import os
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
RING_ROWS = (27027, 2703, 270)
MASK = (1 << 64) - 1
PANELS = (("k-means", ["kmeans", "--k", "100"]),
          ("resampled", ["hkmeans", "--k", "100"]),
          ("two levels", ["hkmeans", "--k", "1000,100", "--resample-steps", "0"]),
          ("two levels, resampled", ["hkmeans", "--k", "1000,100"]))
SIDE, SCALE = 250, 36


def uniform(i):
    z = (i + 1) * 0x9e3779b97f4a7c15 & MASK
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 & MASK
    z = (z ^ z >> 27) * 0x94d049bb133111eb & MASK
    return ((z ^ z >> 31) >> 11) * 2.0 ** -53


def rings():
    rows, draw = [], 0
    for ring, count in enumerate(RING_ROWS):
        inner = (ring + 1) ** 2
        while count:
            a, b = 8 * uniform(2 * draw) - 4, 8 * uniform(2 * draw + 1) - 4
            draw += 1
            if inner <= a * a + b * b <= inner + 1:
                rows.append((a, b))
                count -= 1
    return rows


def write_npy(path, rows):
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(rows)}, 2), }}".ljust(117) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + head.encode())
        for row in rows:
            f.write(struct.pack("<2f", *row))


def read_centers(folder):
    levels = [folder] + [os.path.join(folder, name) for name in sorted(os.listdir(folder))
                         if name.startswith("level")]
    with open(os.path.join(levels[-1], "centers.npy"), "rb") as f:
        data = f.read()
    start = 10 + struct.unpack("<H", data[8:10])[0]
    return list(struct.iter_unpack("<2f", data[start:]))


def unevenness(centers):
    count = [0] * 24
    for a, b in centers:
        r2 = a * a + b * b
        ring = 0 if r2 < 2.914213562 else 1 if r2 < 6.854101966 else 2
        count[ring * 8 + (a < 0) * 4 + (b < 0) * 2 + (abs(a) < abs(b))] += 1
    n = len(centers)
    return sum(c / n * math.log(24 * c / n) for c in count if c)


def dots(points, radius, color):
    path = "".join(f"M{SIDE / 2 + SCALE * a:.1f} {SIDE / 2 - SCALE * b:.1f}h0" for a, b in points)
    return (f'<path d="{path}" stroke="{color}" stroke-width="{2 * radius}" '
            f'stroke-linecap="round" fill="none"/>')


def main():
    binary = os.path.join(os.path.abspath(sys.argv[1]), "winnow")
    rows = rings()
    shown = rows[0:27027:9] + rows[27027:29730:9] + rows[29730::9]
    height = SIDE + 44
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {4 * SIDE} {height}" '
           f'font-family="sans-serif" font-size="14" text-anchor="middle">',
           f'<rect width="{4 * SIDE}" height="{height}" fill="#fff"/>',
           f'<defs><g id="rows">{dots(shown, 0.6, "#b8bec6")}</g></defs>']
    with tempfile.TemporaryDirectory() as tmp:
        write_npy(os.path.join(tmp, "rings.npy"), rows)
        for i, (title, args) in enumerate(PANELS):
            folder = os.path.join(tmp, str(i))
            subprocess.run([binary, "cluster", args[0], os.path.join(tmp, "rings.npy"), *args[1:],
                            "-o", folder, "--quiet"], check=True, stdout=subprocess.DEVNULL)
            centers = read_centers(folder)
            value = unevenness(centers)
            print(f"{title}: {value:.3f}")
            out.append(f'<g transform="translate({i * SIDE} 0)"><use href="#rows"/>'
                       f'{dots(centers, 2.2, "#b3261e")}'
                       f'<text x="{SIDE / 2}" y="{SIDE + 12}" font-weight="bold">{title}</text>'
                       f'<text x="{SIDE / 2}" y="{SIDE + 32}">divergence {value:.3f}</text></g>')
    out.append("</svg>")
    os.makedirs(os.path.join(ROOT, "docs", "figures"), exist_ok=True)
    with open(os.path.join(ROOT, "docs", "figures", "hkmeans_rings.svg"), "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
