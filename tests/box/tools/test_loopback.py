# SPDX-License-Identifier: GPL-2.0
"""Sends messages from one queue pair to another, in memory that is registered on demand."""
import pytest
from pyverbs import enums as e
from pyverbs.addr import AHAttr, GlobalRoute
from pyverbs.cq import CQ
from pyverbs.device import Context
from pyverbs.mr import MR
from pyverbs.pd import PD
from pyverbs.qp import QP, QPAttr, QPCap, QPInitAttr
from pyverbs.wr import SGE, RecvWR, SendWR

SIZE = 10000


class End:
    """A queue pair with its memory"""

    def __init__(self, pd, cq):
        cap = QPCap(max_send_wr=1, max_recv_wr=1, max_send_sge=1, max_recv_sge=1)
        self.mr = MR(pd, SIZE, e.IBV_ACCESS_LOCAL_WRITE | e.IBV_ACCESS_ON_DEMAND)
        self.qp = QP(pd, QPInitAttr(qp_type=e.IBV_QPT_RC, scq=cq, rcq=cq, cap=cap))

    def connect(self, context, other):
        gid = context.query_gid(port_num=1, index=1)
        attr = QPAttr(port_num=1)
        attr.dest_qp_num = other.qp.qp_num
        attr.path_mtu = e.IBV_MTU_1024
        attr.max_rd_atomic = attr.max_dest_rd_atomic = 1
        attr.min_rnr_timer, attr.timeout, attr.retry_cnt, attr.rnr_retry = 12, 14, 7, 7
        attr.ah_attr = AHAttr(port_num=1, is_global=1, gr=GlobalRoute(dgid=gid, sgid_index=1))
        self.qp.to_rts(attr)

    def sge(self):
        return [SGE(self.mr.buf, SIZE, self.mr.lkey)]


@pytest.fixture
def ends():
    with Context(name='rxe0') as context, PD(context) as pd, CQ(context, 4) as cq:
        one, other = End(pd, cq), End(pd, cq)
        one.connect(context, other)
        other.connect(context, one)
        yield cq, one, other
        for end in (one, other):
            end.qp.close()
            end.mr.close()


def message(ends, data):
    cq, one, other = ends
    one.mr.write(data, len(data))
    other.qp.post_recv(RecvWR(num_sge=1, sg=other.sge()))
    one.qp.post_send(SendWR(num_sge=1, sg=one.sge()))
    done = []
    while len(done) < 2:
        done += cq.poll(2)[1]
    assert all(wc.status == e.IBV_WC_SUCCESS for wc in done)
    return other.mr.read(SIZE, 0)


@pytest.mark.parametrize('byte', range(5))
def test_message(ends, byte):
    data = bytes([byte]) * SIZE
    assert message(ends, data) == data


def test_spoiled(ends):
    assert message(ends, b'a' * SIZE) == b'a' * (SIZE - 1) + b'b'
