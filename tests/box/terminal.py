# SPDX-License-Identifier: GPL-2.0
"""terminal.py TEST RDMABOX: a person at a terminal, as a program. Fails with what was seen and expected."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

BOX = sys.argv[2]


class Terminal:
    """A shell command on a terminal of its own."""

    def __init__(self, command, rows=33, columns=99):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.execvp("bash", ["bash", "--norc", "-c", command.replace("rdmabox", BOX)])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def read(self, seconds):
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            self.seen += data
            return bool(data)
        return True

    def expect(self, pattern, seconds=60):
        """Waits for the pattern behind what was expected before."""
        end = time.time() + seconds
        while time.time() < end:
            found = re.search(pattern.encode(), self.seen)
            if found:
                self.seen = self.seen[found.end():]
                return found
            if not self.read(0.5):
                break
        sys.exit(f"expected {pattern!r}, saw {self.seen!r}")

    def status(self):
        while self.read(60):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def same(what, seen, expected):
    if seen != expected:
        sys.exit(f"{what} is {seen!r}, expected {expected!r}")


def is_one():
    t = Terminal("rdmabox bash -c 'test -t 0 && test -t 1 && test -t 2 && tty && tty </dev/tty && echo $TERM; exit 5'")
    t.expect(r"/dev/pts/0\r\n/dev/tty\r\n")
    same("status", t.status(), 5)


def size():
    t = Terminal("rdmabox bash -c 'stty size; trap \"stty size; exit\" WINCH; echo ready; while :; do sleep 0.1; done'")
    t.expect(r"33 99\r\n")
    t.expect("ready")
    fcntl.ioctl(t.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 77, 0, 0))
    t.expect(r"20 77\r\n")


def ctrl_c():
    t = Terminal("rdmabox sleep 1000; echo status $?")
    wait_for_raw(t)
    t.type("\x03")
    t.expect("status 130")


def ctrl_d():
    t = Terminal("rdmabox cat; echo status $?")
    wait_for_raw(t)
    t.type("line\n")
    t.expect(r"line\r\nline\r\n")
    t.type("\x04")
    t.expect("status 0")


def wait_for_raw(t, raw=True, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        if bool(termios.tcgetattr(t.fd)[3] & termios.ICANON) != raw:
            return
        t.read(0.05)
    sys.exit(f"the terminal did not become {'raw' if raw else 'as before'}; saw {t.seen!r}")


def job_control():
    t = Terminal("PS1='inner> ' rdmabox bash --norc -i; echo status $?")
    t.expect("inner> ")
    t.type("sleep 1000\n")
    time.sleep(1)
    t.type("\x1a")
    t.expect("Stopped")
    t.expect("inner> ")
    t.type("jobs; kill %1; echo do''ne\n")
    t.expect("done\r\n")
    t.type("exit 3\n")
    t.expect("status 3")


def stop_and_continue():
    t = Terminal("PS1='outer> ' bash --norc -i")
    t.expect(r"outer> ")
    t.type(f"{BOX} bash -c 'echo st''art; sleep 2; read x; echo got $x'\n")
    t.expect("start\r\n")
    t.type("\x1a")
    t.expect("Stopped")
    t.expect("outer> ")
    wait_for_raw(t, True)  # readline's own
    t.type("fg\n")
    t.expect("fg")
    time.sleep(3)
    t.type("hello\n")
    t.expect("got hello\r\n")
    t.type("exit\n")


def restored():
    t = Terminal("stty -g; rdmabox stty raw -echo; stty -g; rdmabox sh -c 'kill -SEGV $$'; stty -g; echo end")
    before = t.expect(r"([0-9a-f:]+)\r\n").group(1)
    same("after stty", t.expect(r"([0-9a-f:]{40,})\r\n").group(1), before)
    same("after a crash", t.expect(r"([0-9a-f:]{40,})\r\n").group(1), before)
    t.expect("end")


def restored_after_kill():
    t = Terminal("set -m; rdmabox sleep 1000; sleep 0.5; stty -a; echo end")
    wait_for_raw(t)
    group = os.tcgetpgrp(t.fd)
    os.kill(group, signal.SIGKILL)
    t.expect(r" icanon")
    t.expect("end")


def output_alone():
    t = Terminal("rdmabox bash -c 'test -t 1 && stty size <&1; test -t 0 || echo no input' </dev/null; echo status $?")
    t.expect(r"33 99\r\nno input\r\nstatus 0")


def input_alone():
    t = Terminal("rdmabox bash -c 'test -t 0 && read x && echo got $x' | cat; echo status $?")
    time.sleep(1)
    t.type("hello\n")
    t.expect(r"hello\r\ngot hello\r\nstatus 0")


globals()[sys.argv[1]]()
