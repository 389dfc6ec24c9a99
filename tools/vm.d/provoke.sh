#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Does what the tests do to memory, processes and the network, but without our driver: every report of the
# kernel is about the kernel itself. Prints the kernel's log.
set -u

python3 - >/dev/null <<'PY' || exit 1
import ctypes, mmap, os, threading, time

libc = ctypes.CDLL(None, use_errno=True)
PAGE = 4096
LEN = 64 * PAGE
DONTNEED, REMOVE, PAGEOUT, POPULATE_WRITE, SOFT_OFFLINE = 4, 9, 21, 23, 101


def address(area):
    return ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(area)))


def disturb(fd, flags):
    if fd >= 0:
        os.ftruncate(fd, LEN)
    area = mmap.mmap(fd, LEN, flags=flags)
    area[:] = b'x' * LEN
    at = address(area)
    for protection in (mmap.PROT_READ, 0, mmap.PROT_READ | mmap.PROT_WRITE):
        libc.mprotect(at, LEN, protection)
    for advice in (PAGEOUT, SOFT_OFFLINE, REMOVE, DONTNEED):
        libc.madvise(at, LEN, advice)
    child = os.fork()
    if not child:
        area[:] = b'y' * LEN
        os._exit(0)
    os.waitpid(child, 0)
    area[:] = b'w' * LEN
    if fd >= 0:
        os.ftruncate(fd, LEN // 2)
        os.ftruncate(fd, LEN)
        area[LEN // 2:] = b'z' * (LEN // 2)
        libc.fallocate(fd, 3, ctypes.c_long(0), ctypes.c_long(LEN // 2))
        os.ftruncate(fd, 0)


# A process truncates a file that is mapped in another process, which discards memory at the same time.
def race():
    fd = os.memfd_create('race')
    mapped = mmap.mmap(-1, 20 * LEN)
    os.ftruncate(fd, LEN)
    shared = mmap.mmap(fd, LEN)
    end = time.monotonic() + 8

    def populate():
        while time.monotonic() < end:
            libc.madvise(address(shared), LEN, POPULATE_WRITE)

    child = os.fork()
    if not child:
        while time.monotonic() < end:
            os.ftruncate(fd, 0)
            os.ftruncate(fd, LEN)
            time.sleep(0.0005)
        os._exit(0)
    thread = threading.Thread(target=populate)
    thread.start()
    while time.monotonic() < end:
        libc.madvise(address(mapped), 20 * LEN, POPULATE_WRITE)
        libc.madvise(address(mapped), 20 * LEN, DONTNEED)
    thread.join()
    os.waitpid(child, 0)


for round in range(3):
    disturb(-1, mmap.MAP_PRIVATE)
    disturb(-1, mmap.MAP_SHARED)
    for path in ('/tmp/provoke', '/run/provoke', '/provoke'):
        fd = os.open(path, os.O_RDWR | os.O_CREAT)
        disturb(fd, mmap.MAP_SHARED)
        disturb(fd, mmap.MAP_PRIVATE)
        os.close(fd)
    disturb(os.memfd_create('provoke'), mmap.MAP_SHARED)
race()
PY
echo 1 >/proc/sys/vm/compact_memory
echo 3 >/proc/sys/vm/drop_caches

modprobe -a ib_uverbs rdma_ucm ib_umad udp_tunnel ip6_udp_tunnel
ip netns add provoke
ip link add veth8 type veth peer name veth9
ip link set veth9 netns provoke
ip address add 198.51.100.1/24 dev veth8
ip link set veth8 up
ip -n provoke address add 198.51.100.2/24 dev veth9
ip -n provoke link set veth9 up
tc qdisc add dev veth8 root netem delay 1ms loss 10%
ping -q -c 5 -i 0.2 198.51.100.2 >/dev/null
tc qdisc delete dev veth8 root
ip link delete veth8
ip netns delete provoke
dmesg
