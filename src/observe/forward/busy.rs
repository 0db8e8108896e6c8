//! Who holds a local port.

/// The process that listens on `port`, such as "`python3` (pid 4711)", where that can be known.
#[cfg(target_os = "linux")]
pub(super) fn holder(port: u16) -> Option<String> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    let processes = std::fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    processes.filter_map(|entry| entry.file_name().into_string().ok()).find_map(|pid| {
        let number: u32 = pid.parse().ok()?;
        let mut files = std::fs::read_dir(format!("/proc/{number}/fd")).ok()?;
        let holds = files.any(|file| {
            let link = file.ok().and_then(|file| std::fs::read_link(file.path()).ok());
            link.is_some_and(|link| sockets.iter().any(|socket| link.as_os_str() == &**socket))
        });
        if !holds {
            return None;
        }
        let name = std::fs::read_to_string(format!("/proc/{number}/comm")).ok()?;
        Some(format!("`{}` (pid {number})", name.trim()))
    })
}

/// Elsewhere there is no way that needs no further program.
#[cfg(not(target_os = "linux"))]
pub(super) fn holder(_port: u16) -> Option<String> {
    None
}

/// Inodes of the sockets in one of `/proc/net/tcp*` that listen on `port`:
/// <https://docs.kernel.org/networking/proc_net_tcp.html>.
#[cfg(any(target_os = "linux", test))]
pub(super) fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let sockets = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(local_port, 16) == Ok(port) && *fields.get(3)? == LISTEN;
        is_it.then(|| fields.get(9).map(|inode| (*inode).to_owned())).flatten()
    });
    sockets.collect()
}
