//! The `certus` command.

fn main() -> std::process::ExitCode {
    certus::cli::main()
}
