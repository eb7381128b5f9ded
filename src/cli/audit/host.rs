//! When and where an audit runs: what the system tells.

use crate::cli::program;
use crate::load::sha256_hex;
use crate::report::RunRecord;
use std::time::SystemTime;

/// This machine, this moment.
pub(in crate::cli) fn run_record(jobs: usize) -> RunRecord {
    let memory = field("/proc/meminfo", "MemTotal:");
    let memory = memory.and_then(|text| text.strip_suffix(" kB")?.trim().parse::<u64>().ok());
    let program = program::file().and_then(std::fs::read).ok();
    RunRecord {
        started: Some(humantime::format_rfc3339_seconds(SystemTime::now()).to_string()),
        host: std::fs::read_to_string("/proc/sys/kernel/hostname")
            .ok()
            .map(|name| name.trim().to_owned())
            .or_else(|| std::env::var("HOSTNAME").ok())
            .filter(|name| !name.is_empty()),
        system: Some(format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
        processor: field("/proc/cpuinfo", "model name")
            .map(|name| name.trim_start_matches([':', ' ']).to_owned()),
        cores: std::thread::available_parallelism().ok().map(usize::from),
        memory: memory.map(|kilobytes| kilobytes * 1024),
        program_sha256: program.map(|bytes| sha256_hex(&bytes)),
        jobs: Some(jobs),
        command_line: Some(program::line().join(" ")),
        seconds: std::collections::BTreeMap::new(),
    }
}

/// What follows a field's name in a file of the system.
fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().to_owned())
}
