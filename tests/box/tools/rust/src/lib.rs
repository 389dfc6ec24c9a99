// SPDX-License-Identifier: GPL-2.0
//! Sends messages through an RDMA device of this machine, by ../loopback.c.
use std::ffi::{c_char, c_long, CString};

mod c {
    use super::{c_char, c_long};

    extern "C" {
        pub fn loopback(messages: c_long, mistake: *const c_char) -> c_long;
    }
}

/// Sends n messages, with a mistake if it is not empty, and returns how many arrived as they were.
pub fn messages(n: i64, mistake: &str) -> i64 {
    let name = CString::new(mistake).unwrap();

    unsafe { c::loopback(n, name.as_ptr()) }
}

#[cfg(test)]
mod tests {
    use super::messages;

    #[test]
    fn whole() {
        assert_eq!(messages(20, ""), 20);
    }

    #[test]
    #[ignore]
    fn spoiled() {
        assert_eq!(messages(3, "spoil"), 3);
    }
}
