//! The program: parse, call, print the error, return the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    umreplay::main(std::env::args_os())
}
