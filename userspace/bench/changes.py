# SPDX-License-Identifier: GPL-2.0
"""changes.py BEFORE AFTER: how odp-bench's figures have changed from one run to another.

Each argument is a file of rows, as tools/bench writes it. A figure's change is the change of its median over
the rounds. The largest changes come first.
"""
import collections
import json
import statistics
import sys

NAMES = ('section', 'driver', 'path', 'request', 'memory', 'where', 'wait', 'cold by', 'deed', 'regions',
         'bytes', 'lanes', 'processes', 'threads', 'mib', 'kib', 'object', 'rcu')
FIGURES = ('p50_us', 'mib_s', 'register_us', 'deregister_us', 'make_us', 'destroy_us', 'cold_ms', 'warm_ms',
           'touch_ms', 'us', 'table_kib', 'fault_ms', 'ms')


def figures(path):
    found = collections.defaultdict(list)
    with open(path, encoding='utf-8') as file:
        for row in map(json.loads, file):
            name = ' '.join(f'{row[key]:g}' if isinstance(row[key], float) else str(row[key])
                            for key in NAMES if key in row)
            for key in FIGURES:
                if row.get(key):
                    found[name, key].append(row[key])
    return {key: statistics.median(values) for key, values in found.items()}


def main():
    before, after = figures(sys.argv[1]), figures(sys.argv[2])
    both = sorted(before.keys() & after.keys(),
                  key=lambda key: -abs(after[key] / before[key] - 1))
    for key in both:
        print(f'{after[key] / before[key]:6.3f}  {before[key]:>12.5g} {after[key]:>12.5g}  '
              f'{key[1]:<14} {key[0]}')
    print(f'{len(both)} figures, {len(before.keys() ^ after.keys())} in one run only')


main()
