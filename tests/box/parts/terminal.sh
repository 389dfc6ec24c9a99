# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2016,SC2154 # the box expands; tests/box/run assigns
# Terminals, with a pseudo-terminal of the host as the caller's: terminal.py speaks the other side.

terminal() { timeout -k 1 200 python3 "$here/terminal.py" "$1" "$work/bin/rdmabox"; }

test_terminal_is_one() { terminal is_one; }
test_terminal_size() { terminal size; }
test_terminal_ctrl_c() { terminal ctrl_c; }
test_terminal_ctrl_d() { terminal ctrl_d; }
test_terminal_job_control() { terminal job_control; }
test_terminal_stop_and_continue() { terminal stop_and_continue; }
test_terminal_is_restored() { terminal restored; }
test_terminal_is_restored_after_kill() { terminal restored_after_kill; }
test_terminal_output_alone() { terminal output_alone; }
test_terminal_input_alone() { terminal input_alone; }
