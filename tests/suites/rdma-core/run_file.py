# SPDX-License-Identifier: GPL-2.0
"""Runs one of rdma-core's test files on rxe0, and prints TAP."""
import importlib
import os
import sys
import unittest


class Lines(unittest.TestResult):
    def name(self, test):
        return test.id().removeprefix("tests.")

    def fail(self, test, reason):
        print(f"not ok - {self.name(test)}\n# {' '.join(str(reason).split())}", flush=True)

    def addSuccess(self, test):
        print(f"ok - {self.name(test)}", flush=True)

    def addSkip(self, test, reason):
        print(f"# skipped: {' '.join(reason.split())}\nok # SKIP {self.name(test)}", flush=True)

    def addFailure(self, test, err):
        self.fail(test, err[1])

    def addError(self, test, err):
        self.fail(test, f"{err[0].__name__}: {err[1]}")


def main():
    root, name = sys.argv[1:]
    sys.path.insert(0, root)
    sys.argv[1:] = ["--dev", "rxe0"]
    importlib.import_module("args_parser").parser.parse_args()
    module = importlib.import_module("tests." + name)
    unittest.defaultTestLoader.loadTestsFromModule(module).run(Lines())
    # pyverbs crashes where it cleans up after its own failures.
    os._exit(0)


main()
