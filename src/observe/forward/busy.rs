//! Who holds a local port, and whether a client is still there.

use std::net::{SocketAddr, SocketAddrV4};

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

/// Whether the program at the other end of a connection has closed all of it, and not just its own
/// half. `client` is its address, `own` the one it connected to. Where that cannot be known, it has.
pub(super) fn is_gone(client: SocketAddr, own: SocketAddr) -> bool {
    match (client, own) {
        (SocketAddr::V4(client), SocketAddr::V4(own)) if cfg!(target_os = "linux") => {
            let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
            !is_held(&table, client, own)
        }
        _ => true,
    }
}

/// Whether `/proc/net/tcp` has the connection from `client` to `own`, and a process that holds it.
fn is_held(table: &str, client: SocketAddrV4, own: SocketAddrV4) -> bool {
    // Four bytes in the machine's order, printed as a number.
    let place = |at: SocketAddrV4| {
        format!("{:08X}:{:04X}", u32::from_ne_bytes(at.ip().octets()), at.port())
    };
    let (client, own) = (place(client), place(own));
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let is_it = fields.next() == Some(&client) && fields.next() == Some(&own);
        is_it && fields.nth(6).is_some_and(|inode| inode != "0")
    })
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
