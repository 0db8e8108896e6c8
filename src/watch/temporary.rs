//! Files that editors make on the way to a save.

/// Whether a file of this name is an editor's own: swap files, backups, locks and what is about to
/// be renamed into place.
pub(super) fn is_temporary(name: &str) -> bool {
    let is_swap = |rest: &str| {
        // Vim counts down from `.swp` through `.swo` to `.saa`.
        rest.rsplit_once('.').is_some_and(|(_, end)| {
            end.len() == 3
                && end.starts_with(['s', 'u'])
                && end.as_bytes()[1..].iter().all(u8::is_ascii_lowercase)
                && matches!(end.as_bytes()[1], b'w' | b'v' | b'n')
        })
    };
    // Vim asks by a file of this name whether it may write into a folder.
    name == "4913"
        || name == ".DS_Store"
        || name.ends_with('~')
        // Emacs: locks and autosaves.
        || name.starts_with(".#")
        || (name.starts_with('#') && name.ends_with('#') && name.len() > 1)
        || name.strip_prefix('.').is_some_and(is_swap)
        || name.ends_with(".swp")
        || name.ends_with(".swx")
        // JetBrains.
        || name.ends_with("___jb_tmp___")
        || name.ends_with("___jb_old___")
        || name.ends_with("___jb_bak___")
        // GNOME, Kate, LibreOffice.
        || name.starts_with(".goutputstream-")
        || name.ends_with(".kate-swp")
        || name.starts_with(".~lock.")
}

#[cfg(test)]
mod tests {
    use super::is_temporary;

    #[test]
    fn editors_files_are_known_by_name() {
        for name in [
            "4913",
            ".cart.py.swp",
            ".cart.py.swo",
            ".cart.py.swx",
            "cart.py~",
            ".#cart.py",
            "#cart.py#",
            "cart.py___jb_tmp___",
            ".goutputstream-X1Y2",
            ".~lock.a.ods#",
        ] {
            assert!(is_temporary(name), "{name}");
        }
        for name in
            ["cart.py", ".env", ".svc", "#", "swp", "a.sql", ".eslintrc.son", "4913.py", ".sass"]
        {
            assert!(!is_temporary(name), "{name}");
        }
    }
}
