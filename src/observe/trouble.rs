//! Why something cannot run, and who could mend it.

/// Something that keeps a pod from running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The pod's name; absent where there is none to blame.
    pub(super) pod: Option<String>,
    /// The pod's UID, or that of what is to blame instead.
    pub(super) uid: String,
    /// The container, if one is at fault.
    pub(super) container: Option<String>,
    /// What is wrong, in one line that can stand alone.
    pub(super) what: String,
    /// Who could mend it.
    pub(super) nature: Nature,
    /// What to do, one action each.
    pub(super) help: Vec<String>,
    /// Where the program's own last lines are.
    pub(super) last_lines: LastLines,
}

/// Who could mend a trouble, hence how long it is worth waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// No time can: what was deployed is wrong.
    Final,
    /// It may be over at the next look; nothing is lost by waiting.
    Passing,
    /// The program ends again and again; what it needs may still be coming up.
    Crash {
        /// How often it was started again.
        restarts: i32,
    },
    /// The image does not come, though nobody said that it does not exist.
    Pull {
        /// How often it was tried.
        attempts: i32,
    },
    /// No node has room. An autoscaler may add one, or a person.
    Capacity,
    /// A thing that it uses does not exist. Somebody else may make it.
    Missing,
}

/// Where a program's own last lines are to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastLines {
    /// There are none: it never ran.
    None,
    /// In the log of the container as it is.
    Current,
    /// In the log of the container before this one.
    Previous,
}

impl Trouble {
    /// A trouble of `nature`, to be filled in further.
    pub(super) fn new(nature: Nature, uid: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            pod: None,
            uid: uid.into(),
            container: None,
            what: what.into(),
            nature,
            help: Vec::new(),
            last_lines: LastLines::None,
        }
    }

    /// Adds what to do.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}
