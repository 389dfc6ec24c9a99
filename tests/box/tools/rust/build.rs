// SPDX-License-Identifier: GPL-2.0
//! Builds ../loopback.c as a library.
use std::{env, process::Command};

fn run(command: &str, arguments: &[&str]) {
    let status = Command::new(command).args(arguments).status().unwrap();
    assert!(status.success(), "{command} {arguments:?}");
}

fn main() {
    let out = env::var("OUT_DIR").unwrap();
    let object = format!("{out}/loopback.o");

    run("gcc", &["-g", "-O1", "-DLIBRARY", "-c", "-o", &object, "../loopback.c"]);
    run("ar", &["rcs", &format!("{out}/libloopback.a"), &object]);
    println!("cargo:rustc-link-search=native={out}");
    println!("cargo:rustc-link-lib=static=loopback");
    println!("cargo:rustc-link-lib=ibverbs");
}
