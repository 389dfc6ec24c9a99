# SPDX-License-Identifier: GPL-2.0
"""plots.py FOLDER <ROWS | gnuplot: pictures of the medians of odp-bench's rows over the rounds."""
import collections
import json
import statistics
import sys

# The lines of a picture: a name, and the keys and values of its rows
LINES = (
    ('ours, on demand', {'driver': 'ours', 'memory': 'odp'}),
    ('ours, pinned', {'driver': 'ours', 'memory': 'pinned'}),
    ("the kernel's own, on demand", {'driver': 'stock', 'memory': 'odp'}),
    ("the kernel's own, pinned", {'driver': 'stock', 'memory': 'pinned'}),
    ('TCP', {'driver': 'tcp'}),
)
PATHS = {'loop': 'on one device', 'wire': 'over a veth between two namespaces'}

rows = [json.loads(line) for line in sys.stdin]
folder = sys.argv[1]


def points(x, y, **which):
    """The median of y at each x."""
    found = collections.defaultdict(list)
    for row in rows:
        if all(row.get(key) == value for key, value in which.items()) \
                and None not in (row.get(x), row.get(y)):
            found[row[x]].append(row[y])
    return sorted((at, statistics.median(values)) for at, values in found.items())


def picture(name, title, x_label, y_label, lines, axes):
    """Prints gnuplot's commands for one picture. lines: pairs of a name and its points."""
    lines = [line for line in lines if line[1]]
    if not lines:
        return
    print('reset', 'set terminal svg size 720,420 font "sans-serif,12" background "white"',
          f'set output "{folder}/{name}.svg"', f'set title "{title}"', f'set xlabel "{x_label}"',
          f'set ylabel "{y_label}"', 'set key outside right', 'set grid', *axes, sep='\n')
    for i, (_, line) in enumerate(lines):
        print(f'$line{i} << END', *(f'{a} {b}' for a, b in line), 'END', sep='\n')
    print('plot', ', '.join(f'$line{i} with linespoints pointtype 7 pointsize 0.6 title "{who}"'
                            for i, (who, _) in enumerate(lines)))


by_bytes = ('set logscale x 2', 'set xtics 1, 16', 'set logscale y', 'set format x "%.0b %B"')
for path, where in PATHS.items():
    for section, metric, label in (('bandwidth', 'mib_s', 'MiB/s'), ('latency', 'p50_us', 'median, µs')):
        picture(f'{section}-{path}', f'WRITE, {section}, {where}', 'bytes', label,
                [(who, points('bytes', metric, path=path, request='write', section=section, lanes=1, **which)
                  if 'memory' in which
                  else points('bytes', metric, path=path, section=f'tcp {section}', **which))
                 for who, which in LINES], by_bytes)
    picture(f'churn-{path}', f'64 KiB WRITE while pages are taken away, {where}', 'invalidations a second',
            'MiB/s', [(who, points('drops_s', 'mib_s', path=path, section='churn', **which))
                      for who, which in LINES], ())
