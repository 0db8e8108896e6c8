//! Commands around builds and deploys.

use std::collections::BTreeMap;

use crate::model::{Hook, HookFact, HookPlace, Hooks};

use super::super::error::Problem;
use super::super::node::Fault;
use super::super::read::Spanned;
use super::super::schema::{HookEntry, HooksEntry};
use super::{Must, Resolver, check_glob, list};

/// What hooks are around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum HookUse {
    /// Nothing runs in the cluster for its sake.
    Build,
    Deploy,
}

impl HookUse {
    /// By which variables hooks are told what they are around: those that hooks of Skaffold read,
    /// so that the same scripts serve both.
    /// <https://skaffold.dev/docs/lifecycle-hooks/#before-build-and-after-build>
    pub(in crate::config) fn variables(self) -> BTreeMap<String, HookFact> {
        let names: &[(&str, HookFact)] = match self {
            Self::Build => &[
                ("SKAFFOLD_IMAGE", HookFact::Image),
                // What tests of the image call it.
                ("IMAGE", HookFact::Image),
                ("SKAFFOLD_IMAGE_REPO", HookFact::Repository),
                ("SKAFFOLD_IMAGE_TAG", HookFact::Tag),
                ("SKAFFOLD_PUSH_IMAGE", HookFact::IsPushed),
                ("SKAFFOLD_BUILD_CONTEXT", HookFact::Folder),
                ("SKAFFOLD_WORK_DIR", HookFact::Root),
            ],
            Self::Deploy => &[
                ("SKAFFOLD_KUBE_CONTEXT", HookFact::Context),
                ("SKAFFOLD_NAMESPACES", HookFact::Namespace),
                ("SKAFFOLD_RUN_ID", HookFact::Project),
                ("SKAFFOLD_WORK_DIR", HookFact::Root),
            ],
        };
        names.iter().map(|(name, fact)| ((*name).to_owned(), *fact)).collect()
    }
}

impl Resolver<'_> {
    pub(super) fn hooks(
        &mut self,
        entry: Option<&HooksEntry>,
        of: HookUse,
    ) -> Result<Hooks, Fault> {
        let Some(entry) = entry else { return Ok(Hooks::default()) };
        let mut all = |hooks: Option<Spanned<Vec<Spanned<HookEntry>>>>| {
            list(hooks).iter().map(|hook| self.hook(hook, of)).collect::<Result<Vec<_>, _>>()
        };
        let (before, after) = (all(entry.before.clone())?, all(entry.after.clone())?);
        if before.is_empty() && after.is_empty() {
            return Ok(Hooks::default());
        }
        Ok(Hooks { before, after, variables: of.variables() })
    }

    fn hook(&mut self, hook: &Spanned<HookEntry>, of: HookUse) -> Result<Hook, Fault> {
        let entry = &hook.value;
        let command: Vec<String> =
            list(entry.command.clone()).into_iter().map(|word| word.value).collect();
        if command.is_empty() {
            return Err(hook.fault(Problem::MissingKey {
                key: "command",
                within: "this hook".to_owned(),
                example: "command: [sh, -c, COMMAND]".to_owned(),
            }));
        }
        let (pod, container) = (&entry.pod, &entry.container);
        let Some(inside) = pod.as_ref().or(container.as_ref()) else {
            let folder = match &entry.dir {
                Some(text) => {
                    let path = self.path(&text.value);
                    self.claim(text, &path, Must::Folder, "folder", "");
                    path
                }
                None => self.root.to_path_buf(),
            };
            return Ok(Hook { command, place: HookPlace::Host(folder) });
        };
        let conflict = |what: &str, help: &str| {
            let (what, help) = (what.to_owned(), help.to_owned());
            Err(inside.fault(Problem::Conflict { what, help }))
        };
        if of == HookUse::Build {
            return conflict(
                "a build has no containers to run a hook in",
                "run it on this machine",
            );
        }
        if entry.dir.is_some() {
            return conflict(
                "a hook runs in a folder of this machine or in containers, not in both",
                "take `dir` out",
            );
        }
        for glob in [pod, container].into_iter().flatten() {
            check_glob(glob)?;
        }
        let text = |glob: &Option<Spanned<String>>| glob.as_ref().map(|glob| glob.value.clone());
        Ok(Hook {
            command,
            place: HookPlace::Container { pod: text(pod), container: text(container) },
        })
    }
}
