# SPDX-License-Identifier: GPL-2.0
"""icrc.py PCAP NAME: checks the ICRC of each RoCEv2 packet by annex A17 of the IBTA specification; prints TAP"""
import struct
import sys
import zlib

ONES = b'\xff'


def packets(data):
    order = '<' if data[:4] in (b'\xd4\xc3\xb2\xa1', b'\x4d\x3c\xb2\xa1') else '>'
    at = 24
    while at < len(data):
        _, _, kept, length = struct.unpack_from(order + 'IIII', data, at)
        if kept == length:
            yield data[at + 16:at + 16 + kept]
        at += 16 + kept


def masked(frame):
    """The bytes that the ICRC covers, with ones where routers may change the packet; and the packet's ICRC"""
    kind, ip = frame[12:14], bytearray(frame[14:])
    if kind == b'\x08\x00':
        udp = (ip[0] & 15) * 4
        end = struct.unpack('>H', ip[2:4])[0]
        ip[1:2] = ip[8:9] = ONES                # TOS, TTL
        ip[10:12] = ONES * 2                    # the header's checksum
    else:
        udp = 40
        end = udp + struct.unpack('>H', ip[4:6])[0]
        ip[0:4] = bytes([ip[0] | 0x0f]) + ONES * 3      # traffic class, flow label
        ip[7:8] = ONES                          # hop limit
    ip[udp + 6:udp + 8] = ONES * 2              # the checksum of UDP
    ip[udp + 12:udp + 13] = ONES                # the congestion bits of BTH
    return ONES * 8 + bytes(ip[:end - 4]), bytes(ip[end - 4:end])


def main():
    with open(sys.argv[1], 'rb') as file:
        data = file.read()
    right, wrong = 0, []
    for n, frame in enumerate(packets(data), 1):
        body, icrc = masked(frame)
        if struct.pack('<I', zlib.crc32(body)) == icrc:
            right += 1
        else:
            wrong.append(n)
    if right and not wrong:
        print(f'ok - {sys.argv[2]} ICRC: {right} packets')
    else:
        print(f'not ok - {sys.argv[2]} ICRC')
        print(f'# {right} right, {len(wrong)} wrong, the first is packet {wrong[:1]}')


main()
