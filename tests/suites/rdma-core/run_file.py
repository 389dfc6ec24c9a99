# SPDX-License-Identifier: GPL-2.0
"""Runs one of rdma-core's test files on rxe0, a line of result for each test as it ends."""
import importlib
import os
import sys
import unittest


class Lines(unittest.TestResult):
    def say(self, word, test, reason=""):
        name = test.id().removeprefix("tests.")
        reason = " ".join(str(reason).split())
        print(f"{word} {name}: {reason}" if reason else f"{word} {name}", flush=True)

    def addSuccess(self, test):
        self.say("ok", test)

    def addSkip(self, test, reason):
        self.say("skip", test, reason)

    def addFailure(self, test, err):
        self.say("bad", test, err[1])

    def addError(self, test, err):
        self.say("bad", test, f"{err[0].__name__}: {err[1]}")


def main():
    root, name = sys.argv[1:]
    sys.path.insert(0, root)
    sys.argv[1:] = ["--dev", "rxe0"]
    importlib.import_module("args_parser").parser.parse_args()
    module = importlib.import_module("tests." + name)
    unittest.defaultTestLoader.loadTestsFromModule(module).run(Lines())
    # pyverbs ends in a segmentation fault where it tidies up after its own failures
    os._exit(0)


main()
