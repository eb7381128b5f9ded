//! Processor time, where the system tells.

/// Processor seconds that this process has spent, all threads together.
#[cfg(target_os = "linux")]
pub(super) fn process_seconds() -> Option<f64> {
    spent(nix::sys::resource::UsageWho::RUSAGE_SELF)
}

/// Processor seconds that the calling thread has spent.
#[cfg(target_os = "linux")]
pub(super) fn thread_seconds() -> Option<f64> {
    spent(nix::sys::resource::UsageWho::RUSAGE_THREAD)
}

/// Processor seconds of all children that were reaped.
#[cfg(target_os = "linux")]
pub(super) fn children_seconds() -> Option<f64> {
    spent(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)
}

#[cfg(target_os = "linux")]
fn spent(who: nix::sys::resource::UsageWho) -> Option<f64> {
    let usage = nix::sys::resource::getrusage(who).ok()?;
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + 1e-6 * time.tv_usec() as f64;
    Some(seconds(usage.user_time()) + seconds(usage.system_time()))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn process_seconds() -> Option<f64> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn thread_seconds() -> Option<f64> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn children_seconds() -> Option<f64> {
    None
}
