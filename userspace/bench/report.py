# SPDX-License-Identifier: GPL-2.0
"""report.py <ROWS >REPORT: the medians of odp-bench's rows, and the ratios with their targets.

A ratio compares two figures of the same round and path. The report shows the median over the
rounds and, in brackets, the smallest and the largest value.
"""
import collections
import json
import statistics
import sys

WHO = ('driver', 'path')
WHAT = ('section', 'request', 'memory', 'where', 'wait', 'cold by', 'deed', 'regions', 'bytes', 'lanes',
        'processes', 'threads', 'mib', 'kib', 'wanted_s', 'fault_ms', 'behind', 'object', 'rcu')

rows = [json.loads(line) for line in sys.stdin]


def figures(metric, **which):
    """Returns the figure of each round."""
    found = {}
    for row in rows:
        if all(row.get(key) == value for key, value in which.items()) and row.get(metric) is not None:
            found[row['round']] = row[metric]
    return found


def ratios(metric, above, below, per=None):
    a, b = figures(metric, **above), figures(per or metric, **below)
    return [a[n] / b[n] for n in a if b.get(n)]


def shown(values, digits=2):
    if not values:
        return 'not measured'
    text = f'{statistics.median(values):.{digits}f}'
    if len(values) > 1:
        text += f' ({min(values):.{digits}f} to {max(values):.{digits}f})'
    return text


def targets():
    """Yields each target: its name, its aim, and the ratios of the rounds."""
    def bandwidth(**which):
        return {'section': 'bandwidth', 'bytes': 65536, 'lanes': 1, 'request': 'write', **which}

    def latency(**which):
        return {'section': 'latency', 'bytes': 8, 'lanes': 1, 'request': 'write', 'wait': 'poll', **which}

    ours = {'driver': 'ours'}
    pinned = {'memory': 'pinned'}
    odp = {'memory': 'odp'}
    for path in ('loop', 'wire'):
        here = {**ours, 'path': path}
        for request in ('write', 'read', 'send'):
            yield (f'{path}: on-demand / pinned, 64 KiB {request}, bandwidth', '>= 0.97',
                   ratios('mib_s', bandwidth(**here, **odp, request=request),
                          bandwidth(**here, **pinned, request=request)))
        yield (f'{path}: on-demand / pinned, 8 B write, latency', '<= 1.05',
               ratios('p50_us', latency(**here, **odp), latency(**here, **pinned)))
    for path, request, aim in (('loop', 'write', '>= 10'), ('wire', 'write', '>= 2'),
                               ('wire', 'read', '>= 2')):
        yield (f'{path}: ours / stock, pinned, 64 KiB {request}, bandwidth', aim,
               ratios('mib_s', bandwidth(**ours, **pinned, path=path, request=request),
                      bandwidth(driver='stock', **pinned, path=path, request=request)))
    for path, aim in (('loop', '<= 0.2'), ('wire', '')):
        yield (f'{path}: ours / stock, 8 B write, latency', aim,
               ratios('p50_us', latency(**ours, **pinned, path=path),
                      latency(driver='stock', **pinned, path=path)))
    yield ('wire: ours / TCP, 64 KiB, bandwidth', '>= 0.7',
           ratios('mib_s', bandwidth(**ours, **pinned, path='wire'),
                  {'section': 'tcp bandwidth', 'path': 'wire'}))
    yield ('wire: ours / TCP, 8 B, latency', '<= 1',
           ratios('p50_us', latency(**ours, **pinned, path='wire'),
                  {'section': 'tcp latency', 'path': 'wire'}))
    loop = {**ours, 'path': 'loop'}
    yield ('cold write of memory never touched / (memset + warm write)', '<= 1.3',
           list(figures('ratio', section='cold', memory='anon', where='answers', **loop).values()))
    held = {'section': 'cold', 'memory': 'held', 'where': 'answers', **loop}
    yield ('faults for a cold 1 MiB message on pages the CPU has', '<= 1',
           ratios('faults', held, held, per='mib'))
    yield ('registration, 16 TiB / 4 KiB', '<= 2',
           ratios('register_us', {'section': 'register', **odp, 'kib': 16 << 30, **loop},
                  {'section': 'register', **odp, 'kib': 4, **loop}))
    for kind in ('region pinned', 'window', 'address', 'queue pair'):
        for rcu in ('expedited', 'normal'):
            what = {'section': 'objects', 'object': kind, 'rcu': rcu, 'path': 'loop'}
            yield (f"destroy a {kind}, RCU {rcu}: ours / stock", '<= 1',
                   ratios('destroy_us', {**what, **ours}, {**what, 'driver': 'stock'}))
    yield ('munmap outside of 10000 regions / without', '<= 1.05',
           list(figures('ratio', section='owner', deed='munmap', kib=65536, regions='beside 10000',
                        **loop).values()))
    yield ('munmap inside a region / without', '<= 1.3',
           list(figures('ratio', section='owner', deed='munmap', kib=65536, regions='inside',
                        **loop).values()))
    yield ('128 queue pairs cold at once / one, time', '<= 1.5',
           list(figures('ratio', section='flood', lanes=128, **{'cold by': 'dontneed'}, **loop).values()))
    yield ('the same, packets sent again', '0',
           list(figures('sent_again', section='flood', lanes=128, **{'cold by': 'dontneed'},
                        **loop).values()))
    yield ('two processes / one, bandwidth', '>= 1.7',
           ratios('mib_s', {'section': 'processes', 'processes': 2, **pinned, **loop},
                  {'section': 'processes', 'processes': 1, **pinned, **loop}))
    yield ('two threads in the same memory: on-demand / pinned, bandwidth', '',
           ratios('mib_s', {'section': 'threads', 'threads': 2, **odp, **loop},
                  {'section': 'threads', 'threads': 2, **pinned, **loop}))
    for kind, aim in (('anon', '<= 538'), ('thp', '<= 16')):
        yield (f'tables for 256 MiB, {kind}, KiB', aim,
               list(figures('table_kib', section='tables', memory=kind, **loop).values()))


def table(heading, lines):
    widths = [max(len(line[i]) for line in [heading, *lines]) for i in range(len(heading))]
    rule = '  '.join('=' * width for width in widths)
    print(rule)
    print('  '.join(cell.ljust(width) for cell, width in zip(heading, widths)).rstrip())
    print(rule)
    for line in lines:
        print('  '.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    print(rule, end='\n\n')


def text_of(value):
    return f'{value:g}' if isinstance(value, float) else str(value)


def median_of(values):
    return text_of(float(f'{statistics.median(values):.4g}')) if values else ''


def all_medians():
    groups = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in rows:
        name = tuple((key, row[key]) for key in WHAT + WHO if key in row)
        for key, value in row.items():
            if key not in WHAT + WHO + ('round',) and value is not None:
                groups[name][key].append(value)
    sections = collections.defaultdict(list)
    for name, metrics in groups.items():
        keys = tuple(key for key, _ in name[1:])
        sections[name[0][1], keys].append(([text_of(value) for _, value in name[1:]], metrics))
    for (section, keys), lines in sections.items():
        measured = list(dict.fromkeys(metric for _, metrics in lines for metric in metrics))
        print(section, '-' * len(section), '', sep='\n')
        table([*keys, *measured],
              [[*names, *(median_of(metrics.get(metric)) for metric in measured)]
               for names, metrics in sorted(lines, key=lambda line: line[0])])


table(['ratio', 'aim', 'measured'], [[what, aim or '-', shown(values)] for what, aim, values in targets()])
all_medians()
