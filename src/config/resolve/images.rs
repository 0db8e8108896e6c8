//! Images: contexts, Dockerfiles, secrets, commands.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::model::{
    Artifact, ArtifactName, BuildSecret, Builder, CommandBuild, DockerBuild, ImageRef,
    NamedContext, SecretSource, SshAgent, TagPattern,
};

use super::super::error::Problem;
use super::super::forms::SshForm;
use super::super::node::Fault;
use super::super::provenance::Provenance;
use super::super::read::{Named, Spanned, Text};
use super::super::schema::{ImageEntry, SecretEntry};
use super::hooks::HookUse;
use super::{Must, Resolver, globs, list, refuse_cycle};

/// What helps where a path is not there.
const RELATIVE: &str = "the path is relative to the folder of `wharf.yaml`";

impl Resolver<'_> {
    pub(super) fn artifacts(
        &mut self,
        images: Option<Vec<(Spanned<String>, ImageEntry)>>,
        provenance: &mut Provenance,
    ) -> Result<BTreeMap<ArtifactName, Artifact>, Fault> {
        let images = images.unwrap_or_default();
        let mut names: BTreeMap<ArtifactName, Range<usize>> = BTreeMap::new();
        for (name, _) in &images {
            let parsed =
                ArtifactName::parse(&name.value).map_err(|error| name.fault(error.into()))?;
            let same = |other: &&ArtifactName| same_repository(&parsed, other);
            if let Some(other) = names.keys().find(same).cloned() {
                let fault = name.fault(Problem::DuplicateName {
                    what: format!("`{parsed}` and `{other}` are the same repository"),
                    help: "take one of them out".to_owned(),
                });
                return Err(fault.also(names[&other].clone(), "first here"));
            }
            names.insert(parsed, name.at.clone());
        }
        let mut needs_at = BTreeMap::new();
        let mut out = BTreeMap::new();
        for (name, entry) in images {
            let artifact = self.artifact(&name, entry, &names, &mut needs_at, provenance)?;
            out.insert(artifact.name.clone(), artifact);
        }
        let waits = out.iter().map(|(name, artifact): (&ArtifactName, &Artifact)| {
            (name.clone(), artifact.needs.clone())
        });
        refuse_cycle(&waits.collect(), "images", "needs", &needs_at)?;
        Ok(out)
    }

    fn artifact(
        &mut self,
        name: &Spanned<String>,
        entry: ImageEntry,
        names: &BTreeMap<ArtifactName, Range<usize>>,
        needs_at: &mut BTreeMap<ArtifactName, Range<usize>>,
        provenance: &mut Provenance,
    ) -> Result<Artifact, Fault> {
        let own = ArtifactName::parse(&name.value).map_err(|error| name.fault(error.into()))?;
        let mut needs = BTreeSet::new();
        // Sorted, they stand elsewhere than in the file.
        let mut sources = BTreeMap::new();
        let source = |path: &[&str]| {
            provenance.get(&[&["images", name.value.as_str()][..], path].concat()).cloned()
        };
        if let Some(list) = &entry.needs {
            needs_at.insert(own.clone(), list.at.clone());
            for (index, need) in list.value.iter().enumerate() {
                let need = known_artifact(need, names)?;
                sources.insert(need.clone(), source(&["needs", index.to_string().as_str()]));
                needs.insert(need);
            }
        }
        let platform = entry.platform.as_ref().map(|platform| platform.value.clone());
        let hooks = self.hooks(entry.hooks.as_ref().map(|hooks| &hooks.value), HookUse::Build)?;
        let also_tagged = entry.tag.as_ref().map(tag_pattern).transpose()?;
        let builder = if entry.command.is_some() {
            Builder::Command(self.command(&own, entry)?)
        } else {
            refuse_command_keys(&entry)?;
            let docker = self.docker(name, entry, names)?;
            for (context, from) in &docker.contexts {
                if let NamedContext::Artifact(need) = from {
                    let at = || source(&["contexts", context.as_str()]);
                    sources.entry(need.clone()).or_insert_with(at);
                    needs.insert(need.clone());
                }
            }
            Builder::Docker(docker)
        };
        provenance.list(&["images", &name.value, "needs"], sources.into_values().collect());
        Ok(Artifact { name: own, builder, needs, platform, hooks, also_tagged })
    }

    fn docker(
        &mut self,
        name: &Spanned<String>,
        entry: ImageEntry,
        names: &BTreeMap<ArtifactName, Range<usize>>,
    ) -> Result<DockerBuild, Fault> {
        let context = match &entry.context {
            Some(text) => {
                let path = self.path(&text.value);
                self.claim(text, &path, Must::Folder, "build context", RELATIVE);
                path
            }
            None => self.root.to_path_buf(),
        };
        let dockerfile = match &entry.dockerfile {
            Some(text) => {
                let path = self.path(&text.value);
                self.claim(text, &path, Must::File, "Dockerfile", RELATIVE);
                path
            }
            None => {
                let path = context.join("Dockerfile");
                // A context that is missing altogether was claimed before, and is said first.
                let at = entry.context.as_ref().unwrap_or(name);
                self.claim(at, &path, Must::File, "Dockerfile", "name it with `dockerfile:`");
                path
            }
        };
        let network = match entry.network {
            Some(network) if !matches!(network.value.as_str(), "default" | "none" | "host") => {
                return Err(network.fault(Problem::WrongValue {
                    expected: "`default`, `none` or `host`".to_owned(),
                    found: format!("`{}`", network.value),
                }));
            }
            network => network.map(|network| network.value),
        };
        let mut contexts = BTreeMap::new();
        for (name, context) in entry.contexts.map_or_else(Vec::new, |contexts| contexts.value.0) {
            contexts.insert(name.value, self.named_context(&context, names)?);
        }
        let args = entry.args.map_or_else(|| Named(vec![]), |args| args.value);
        let args = args.0.into_iter().map(|(name, Text(text))| (name.value, text)).collect();
        Ok(DockerBuild {
            context,
            dockerfile,
            target: entry.target.map(|target| target.value),
            args,
            secrets: self.secrets(list(entry.secrets))?,
            ssh: self.ssh(list(entry.ssh))?,
            contexts,
            network,
            add_hosts: add_hosts(list(entry.add_hosts))?,
        })
    }

    fn secrets(&mut self, entries: Vec<Spanned<SecretEntry>>) -> Result<Vec<BuildSecret>, Fault> {
        let mut out: Vec<BuildSecret> = Vec::new();
        for entry in entries {
            let missing = |key: &'static str, example: &str| Problem::MissingKey {
                key,
                within: "this build secret".to_owned(),
                example: example.to_owned(),
            };
            let Some(id) = &entry.value.id else {
                return Err(entry.fault(missing("id", "id: NAME")));
            };
            if out.iter().any(|other| other.id == id.value) {
                return Err(id.fault(Problem::DuplicateName {
                    what: format!("the build secret `{}` is given twice", id.value),
                    help: String::new(),
                }));
            }
            let source = match (&entry.value.file, &entry.value.env) {
                (Some(file), None) => {
                    let path = self.home_path(file)?;
                    let help = "write it there, or take the secret from a variable: `env: NAME`";
                    self.claim(file, &path, Must::File, "secret's file", help);
                    SecretSource::File(path)
                }
                (None, Some(env)) => SecretSource::Env(env.value.clone()),
                (Some(_), Some(env)) => {
                    return Err(env.fault(Problem::Conflict {
                        what: "a secret comes from a `file` or from `env`, not both".to_owned(),
                        help: "take one of them out".to_owned(),
                    }));
                }
                (None, None) => {
                    return Err(entry.fault(missing("file` or `env", "file: PATH` or `env: NAME")));
                }
            };
            out.push(BuildSecret { id: id.value.clone(), source });
        }
        Ok(out)
    }

    fn ssh(&self, entries: Vec<Spanned<SshForm>>) -> Result<Vec<SshAgent>, Fault> {
        let agent = |entry: Spanned<SshForm>| {
            let socket = match entry.value.socket {
                Some(socket) => Some(self.home_path(&Spanned {
                    value: socket,
                    at: entry.at,
                    profile: entry.profile,
                })?),
                None => None,
            };
            Ok(SshAgent { id: entry.value.id, socket })
        };
        entries.into_iter().map(agent).collect()
    }

    fn named_context(
        &mut self,
        text: &Spanned<String>,
        names: &BTreeMap<ArtifactName, Range<usize>>,
    ) -> Result<NamedContext, Fault> {
        if let Some(reference) = text.value.strip_prefix("docker-image://") {
            if ImageRef::parse(reference).is_err() {
                return Err(text.wrong("`docker-image://` and an image reference"));
            }
            return Ok(NamedContext::Image(reference.to_owned()));
        }
        if let Some(name) =
            ArtifactName::parse(&text.value).ok().filter(|name| names.contains_key(name))
        {
            return Ok(NamedContext::Artifact(name));
        }
        if text.value.contains("://") {
            return Err(text.wrong(
                "a folder, the name of an image of this project, or `docker-image://` and a reference",
            ));
        }
        let path = self.path(&text.value);
        self.claim(text, &path, Must::Folder, "build context", RELATIVE);
        Ok(NamedContext::Folder(path))
    }

    fn command(&mut self, name: &ArtifactName, entry: ImageEntry) -> Result<CommandBuild, Fault> {
        let command = entry.command.expect("called for images with a command");
        let docker_keys = [
            ("context", at(&entry.context)),
            ("dockerfile", at(&entry.dockerfile)),
            ("target", at(&entry.target)),
            ("args", at(&entry.args)),
            ("secrets", at(&entry.secrets)),
            ("ssh", at(&entry.ssh)),
            ("contexts", at(&entry.contexts)),
            ("network", at(&entry.network)),
            ("addHosts", at(&entry.add_hosts)),
        ];
        for (key, at) in docker_keys {
            if let Some((at, profile)) = at {
                let problem = Problem::Conflict {
                    what: format!("`{key}` is for Dockerfile builds, and `{name}` has a `command`"),
                    help: "take one of them out".to_owned(),
                };
                return Err(Fault { profile, ..Fault::new(problem, at) });
            }
        }
        let dir = match &entry.dir {
            Some(text) => {
                let path = self.path(&text.value);
                self.claim(text, &path, Must::Folder, "folder", "");
                path
            }
            None => self.root.to_path_buf(),
        };
        let inputs = globs(list(entry.inputs))?;
        if inputs.is_empty() {
            return Err(command.fault(Problem::MissingKey {
                key: "inputs",
                within: format!("`{name}`"),
                example: "inputs: [\"**\"]".to_owned(),
            }));
        }
        let ignore = globs(list(entry.ignore))?;
        let env = entry.env.map_or_else(|| Named(vec![]), |env| env.value);
        let env = env.0.into_iter().map(|(name, Text(text))| (name.value, text)).collect();
        Ok(CommandBuild { command: command.value, dir, inputs, ignore, env })
    }
}

fn known_artifact(
    need: &Spanned<String>,
    names: &BTreeMap<ArtifactName, Range<usize>>,
) -> Result<ArtifactName, Fault> {
    names.keys().find(|name| name.as_str() == need.value).cloned().ok_or_else(|| {
        need.fault(Problem::UnknownName {
            sort: "image",
            name: need.value.clone(),
            known: names.keys().map(ToString::to_string).collect(),
        })
    })
}

/// Whether both names mean one repository, as `api` and `docker.io/library/api` do.
fn same_repository(one: &ArtifactName, other: &ArtifactName) -> bool {
    match (ImageRef::parse(one.as_str()), ImageRef::parse(other.as_str())) {
        (Ok(one), Ok(other)) => one.same_repository(&other),
        _ => one == other,
    }
}

fn tag_pattern(text: &Spanned<String>) -> Result<TagPattern, Fault> {
    TagPattern::parse(&text.value).map_err(|error| {
        text.fault(Problem::Conflict { what: error.to_string(), help: String::new() })
    })
}

fn refuse_command_keys(entry: &ImageEntry) -> Result<(), Fault> {
    let keys = [
        ("dir", at(&entry.dir)),
        ("inputs", at(&entry.inputs)),
        ("ignore", at(&entry.ignore)),
        ("env", at(&entry.env)),
    ];
    for (key, at) in keys {
        if let Some((at, profile)) = at {
            let problem = Problem::Conflict {
                what: format!("`{key}` is for images with a `command`"),
                help: "what a Dockerfile build sees is told by `context` and `.dockerignore`"
                    .to_owned(),
            };
            return Err(Fault { profile, ..Fault::new(problem, at) });
        }
    }
    Ok(())
}

fn at<T>(value: &Option<Spanned<T>>) -> Option<(Range<usize>, Option<String>)> {
    value.as_ref().map(|value| (value.at.clone(), value.profile.clone()))
}

fn add_hosts(entries: Vec<Spanned<String>>) -> Result<Vec<String>, Fault> {
    for entry in &entries {
        let fits = entry.value.split_once(':').is_some_and(|(name, address)| {
            !name.is_empty()
                && (address == "host-gateway" || address.parse::<std::net::IpAddr>().is_ok())
        });
        if !fits {
            return Err(entry.wrong("a host as `name:address`"));
        }
    }
    Ok(entries.into_iter().map(|entry| entry.value).collect())
}
