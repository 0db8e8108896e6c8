//! Every error that a person can meet, as it is shown.

use insta::assert_snapshot;

use super::*;

#[test]
fn an_unknown_key_has_a_suggestion() {
    assert_snapshot!(error("images:\n  api: {contxt: services/api}\n"), @r#"
    unknown key `contxt` in an image [wharf::config::unknown_key]
     --> wharf.yaml:2:9
      |
    2 |   api: {contxt: services/api}
      |         ^^^^^^ did you mean `context`?
    "#);
    assert_snapshot!(error("image:\n  api: {}\n"), @r#"
    unknown key `image` in the configuration [wharf::config::unknown_key]
     --> wharf.yaml:1:1
      |
    1 | image:
      | ^^^^^ did you mean `images`?
    "#);
    assert_snapshot!(error("pipelines: {}\n"), @r#"
    unknown key `pipelines` in the configuration [wharf::config::unknown_key]
     --> wharf.yaml:1:1
      |
    1 | pipelines: {}
      | ^^^^^^^^^ unknown key
    help: known keys: `name`, `images`, `releases`, `kustomize`, `manifests`, `forward`, `logs`, `cluster`, `registry`, `insecureRegistries`, `registryNames`, `profiles`
    "#);
    assert_snapshot!(error("releases:\n  shop:\n    chart: c\n    rollback_on_failure: true\n"), @r#"
    unknown key `rollback_on_failure` in a release [wharf::config::unknown_key]
     --> wharf.yaml:4:5
      |
    4 |     rollback_on_failure: true
      |     ^^^^^^^^^^^^^^^^^^^ did you mean `rollbackOnFailure`?
    "#);
}

#[test]
fn a_wrong_value_says_which_are_right() {
    assert_snapshot!(error("images: [api]\n"), @r#"
    expected a map by name, found a list [wharf::config::wrong_value]
     --> wharf.yaml:1:9
      |
    1 | images: [api]
      |         ^^^^^ expected a map by name
    "#);
    assert_snapshot!(error("images:\n  api:\n    context: [a]\n"), @r#"
    expected a text, found a list [wharf::config::wrong_value]
     --> wharf.yaml:3:14
      |
    3 |     context: [a]
      |              ^^^ expected a text
    "#);
    assert_snapshot!(error("releases:\n  shop: {chart: c, wait: {timeout: 10}}\n"), @r#"
    expected a length of time such as `90s`, `10m` or `1h30m`, found `10` [wharf::config::wrong_value]
     --> wharf.yaml:2:36
      |
    2 |   shop: {chart: c, wait: {timeout: 10}}
      |                                    ^^ expected a length of time such as `90s`, `10m` or `1h30m`
    "#);
    assert_snapshot!(error("releases:\n  shop: {chart: c, skipCrds: maybe}\n"), @r#"
    expected `true` or `false`, found `maybe` [wharf::config::wrong_value]
     --> wharf.yaml:2:30
      |
    2 |   shop: {chart: c, skipCrds: maybe}
      |                              ^^^^^ expected `true` or `false`
    "#);
    assert_snapshot!(error("images:\n  api: {network: bridge}\n"), @r#"
    expected `default`, `none` or `host`, found `bridge` [wharf::config::wrong_value]
     --> wharf.yaml:2:18
      |
    2 |   api: {network: bridge}
      |                  ^^^^^^ expected `default`, `none` or `host`
    "#);
    assert_snapshot!(error("images:\n  api: {platform: amd64}\n"), @r#"
    expected `os/arch` or `os/arch/variant`, such as `linux/amd64`, found `amd64` [wharf::config::wrong_value]
     --> wharf.yaml:2:19
      |
    2 |   api: {platform: amd64}
      |                   ^^^^^ expected `os/arch` or `os/arch/variant`, such as `linux/amd64`
    "#);
    assert_snapshot!(error("registry: https://ghcr.io\n"), @r#"
    expected a registry such as `localhost:5000` or `ghcr.io/acme/dev`, found `https://ghcr.io` [wharf::config::wrong_value]
     --> wharf.yaml:1:11
      |
    1 | registry: https://ghcr.io
      |           ^^^^^^^^^^^^^^^ expected a registry such as `localhost:5000` or `ghcr.io/acme/dev`
    "#);
    assert_snapshot!(error("logs: none\n"), @r#"
    expected `true`, `false` or a map such as `{exclude: [NAME]}`, found `none` [wharf::config::wrong_value]
     --> wharf.yaml:1:7
      |
    1 | logs: none
      |       ^^^^ expected `true`, `false` or a map such as `{exclude: [NAME]}`
    "#);
    assert_snapshot!(error("images:\n  api: {addHosts: [db]}\n"), @r#"
    expected a host as `name:address`, found `db` [wharf::config::wrong_value]
     --> wharf.yaml:2:20
      |
    2 |   api: {addHosts: [db]}
      |                    ^^ expected a host as `name:address`
    "#);
    assert_snapshot!(error("kustomize: deploy\n"), @r#"
    expected a list of folders, or a map by name, found `deploy` [wharf::config::wrong_value]
     --> wharf.yaml:1:12
      |
    1 | kustomize: deploy
      |            ^^^^^^ expected a list of folders, or a map by name
    "#);
    assert_snapshot!(error("just a text\n"), @r#"
    expected a map with the keys of the configuration, found `just a text` [wharf::config::wrong_value]
     --> wharf.yaml:1:1
      |
    1 | just a text
      | ^^^^^^^^^^^ expected a map with the keys of the configuration
    "#);
}

#[test]
fn a_wrong_name_says_the_rule() {
    assert_snapshot!(error("images:\n  API: {}\n"), @r#"
    `API` is not a valid image name: an image repository such as `api` or `ghcr.io/acme/api`, lower case, without tag or digest [wharf::config::wrong_value]
     --> wharf.yaml:2:3
      |
    2 |   API: {}
      |   ^^^
    "#);
    assert_snapshot!(error("images:\n  \"api:1\": {}\n"), @r#"
    `api:1` is not a valid image name: an image repository such as `api` or `ghcr.io/acme/api`, lower case, without tag or digest [wharf::config::wrong_value]
     --> wharf.yaml:2:3
      |
    2 |   "api:1": {}
      |   ^^^^^^^
    "#);
    assert_snapshot!(error("releases:\n  My_App: {chart: c}\n"), @r#"
    `My_App` is not a valid release name: lower case letters, digits, `-` and `.`, at most 53, beginning and ending with a letter or digit [wharf::config::wrong_value]
     --> wharf.yaml:2:3
      |
    2 |   My_App: {chart: c}
      |   ^^^^^^
    "#);
    assert_snapshot!(error("name: My Shop\n"), @r#"
    `My Shop` is not a valid project name: lower case letters, digits and `-`, at most 63, beginning and ending with a letter or digit [wharf::config::wrong_value]
     --> wharf.yaml:1:7
      |
    1 | name: My Shop
      |       ^^^^^^^
    "#);
    assert_snapshot!(error("cluster: {namespace: Team.A}\n"), @r#"
    `Team.A` is not a valid namespace: lower case letters, digits and `-`, at most 63, beginning and ending with a letter or digit [wharf::config::wrong_value]
     --> wharf.yaml:1:22
      |
    1 | cluster: {namespace: Team.A}
      |                      ^^^^^^
    "#);
}

#[test]
fn a_wrong_forward_shows_a_right_one() {
    assert_snapshot!(error("forward: [web]\n"), @r#"
    expected a target such as `service/web` or `deployment/api`, with a port or alone, found `web` [wharf::config::wrong_value]
     --> wharf.yaml:1:11
      |
    1 | forward: [web]
      |           ^^^ expected a target such as `service/web` or `deployment/api`, with a port or alone
    "#);
    assert_snapshot!(error("forward:\n  - service/web: 80800\n"), @r#"
    expected a port from 1 to 65535, or its name, found `80800` [wharf::config::wrong_value]
     --> wharf.yaml:2:18
      |
    2 |   - service/web: 80800
      |                  ^^^^^ expected a port from 1 to 65535, or its name
    "#);
    assert_snapshot!(error("forward:\n  - servce/web: 80\n"), @r#"
    expected a target such as `service/web` or `deployment/api`, with a port or alone, found `servce/web` [wharf::config::wrong_value]
     --> wharf.yaml:2:5
      |
    2 |   - servce/web: 80
      |     ^^^^^^^^^^ expected a target such as `service/web` or `deployment/api`, with a port or alone
    "#);
    assert_snapshot!(error("forward:\n  - {port: 80}\n"), @r#"
    this forward has no `service` [wharf::config::missing_key]
     --> wharf.yaml:2:5
      |
    2 |   - {port: 80}
      |     ^^^^^^^^^^ `service` is missing here
    help: add `service: NAME`
    "#);
    assert_snapshot!(error("forward:\n  - {service: a, workload: pod/a}\n"), @r#"
    a forward leads to a `service` or to a `workload`, not both [wharf::config::conflict]
     --> wharf.yaml:2:28
      |
    2 |   - {service: a, workload: pod/a}
      |                            ^^^^^
    help: take one of them out
    "#);
    assert_snapshot!(error("forward:\n  - service/web: 8080\n  - service/api: 8080\n"), @r#"
    the local port 8080 is given to two forwards [wharf::config::duplicate_name]
     --> wharf.yaml:3:5
      |
    2 |   - service/web: 8080
      |     ----------------- first here
    3 |   - service/api: 8080
      |     ^^^^^^^^^^^^^^^^^ again here
    help: give one of them another `local` port, such as `8081:http`
    "#);
}

#[test]
fn what_is_missing_is_named() {
    assert_snapshot!(error("releases:\n  shop:\n    values: [a.yaml]\n"), @r#"
    the release `shop` has no `chart` [wharf::config::missing_key]
     --> wharf.yaml:2:3
      |
    2 |   shop:
      |   ^^^^ `chart` is missing here
    help: add `chart: FOLDER`
    "#);
    assert_snapshot!(error("images:\n  api: {command: make}\n"), @r#"
    `api` has no `inputs` [wharf::config::missing_key]
     --> wharf.yaml:2:18
      |
    2 |   api: {command: make}
      |                  ^^^^ `inputs` is missing here
    help: add `inputs: ["**"]`
    "#);
    assert_snapshot!(error("images:\n  api: {secrets: [{id: npmrc}]}\n"), @r#"
    this build secret has no `file` or `env` [wharf::config::missing_key]
     --> wharf.yaml:2:19
      |
    2 |   api: {secrets: [{id: npmrc}]}
      |                   ^^^^^^^^^^^ `file` or `env` is missing here
    help: add `file: PATH` or `env: NAME`
    "#);
    assert_snapshot!(error("kustomize:\n  dev: {namespace: a}\n"), @r#"
    the kustomization `dev` has no `path` [wharf::config::missing_key]
     --> wharf.yaml:2:3
      |
    2 |   dev: {namespace: a}
      |   ^^^ `path` is missing here
    help: add `path: FOLDER`
    "#);
    assert_snapshot!(error("manifests:\n  extra: {namespace: a}\n"), @r#"
    the manifests `extra` has no `files` [wharf::config::missing_key]
     --> wharf.yaml:2:3
      |
    2 |   extra: {namespace: a}
      |   ^^^^^ `files` is missing here
    help: add `files: ["FOLDER/*.yaml"]`
    "#);
}

#[test]
fn what_does_not_go_together_is_refused() {
    assert_snapshot!(error("images:\n  api: {command: make, inputs: [a], context: b}\n"), @r#"
    `context` is for Dockerfile builds, and `api` has a `command` [wharf::config::conflict]
     --> wharf.yaml:2:46
      |
    2 |   api: {command: make, inputs: [a], context: b}
      |                                              ^
    help: take one of them out
    "#);
    assert_snapshot!(error("images:\n  api: {inputs: [a]}\n"), @r#"
    `inputs` is for images with a `command` [wharf::config::conflict]
     --> wharf.yaml:2:17
      |
    2 |   api: {inputs: [a]}
      |                 ^^^
    help: what a Dockerfile build sees is told by `context` and `.dockerignore`
    "#);
    assert_snapshot!(error("releases:\n  a: {chart: ./c, version: 1.2.3}\n"), @r#"
    a chart in a folder has its version in its `Chart.yaml` [wharf::config::conflict]
     --> wharf.yaml:2:28
      |
    2 |   a: {chart: ./c, version: 1.2.3}
      |                            ^^^^^
    help: take `version` out
    "#);
    assert_snapshot!(error("releases:\n  a: {chart: c, set: {a.b: 1, a: 2}}\n"), @r#"
    `a` is set twice [wharf::config::conflict]
     --> wharf.yaml:2:31
      |
    2 |   a: {chart: c, set: {a.b: 1, a: 2}}
      |                               ^
    help: give the whole list or map, such as `hosts: [a, b]`
    "#);
    assert_snapshot!(error("releases:\n  a: {chart: c, set: {\"hosts[0]\": x}}\n"), @r#"
    `hosts[0]` is not a path of names with dots between [wharf::config::conflict]
     --> wharf.yaml:2:23
      |
    2 |   a: {chart: c, set: {"hosts[0]": x}}
      |                       ^^^^^^^^^^
    help: give the whole list or map, such as `hosts: [a, b]`
    "#);
    assert_snapshot!(error("images:\n  api: {secrets: [{id: a, file: b, env: C}]}\n"), @r#"
    a secret comes from a `file` or from `env`, not both [wharf::config::conflict]
     --> wharf.yaml:2:41
      |
    2 |   api: {secrets: [{id: a, file: b, env: C}]}
      |                                         ^
    help: take one of them out
    "#);
}

#[test]
fn unknown_names_have_a_suggestion() {
    assert_snapshot!(error("images:\n  base: {}\n  api: {needs: [bse]}\n"), @r#"
    there is no image named `bse` [wharf::config::unknown_name]
     --> wharf.yaml:3:17
      |
    3 |   api: {needs: [bse]}
      |                 ^^^ did you mean `base`?
    "#);
    assert_snapshot!(error("releases:\n  shop: {chart: c, after: [postgres]}\n  db: {chart: d}\n"), @r#"
    there is no release named `postgres` [wharf::config::unknown_name]
     --> wharf.yaml:2:28
      |
    2 |   shop: {chart: c, after: [postgres]}
      |                            ^^^^^^^^ unknown name
    help: known: `db`, `shop`
    "#);
}

#[test]
fn names_given_twice_show_both_places() {
    assert_snapshot!(error("images:\n  api: {}\n  web: {}\n  api: {}\n"), @r#"
    the key `api` is given twice [wharf::config::duplicate_key]
     --> wharf.yaml:4:3
      |
    2 |   api: {}
      |   --- first here
    3 |   web: {}
    4 |   api: {}
      |   ^^^ again here
    "#);
    assert_snapshot!(error("images:\n  api: {}\n  docker.io/library/api: {}\n"), @r#"
    `docker.io/library/api` and `api` are the same repository [wharf::config::duplicate_name]
     --> wharf.yaml:3:3
      |
    2 |   api: {}
      |   --- first here
    3 |   docker.io/library/api: {}
      |   ^^^^^^^^^^^^^^^^^^^^^ again here
    help: take one of them out
    "#);
    assert_snapshot!(error("releases:\n  dev: {chart: c}\nkustomize:\n  dev: overlays/dev\n"), @r#"
    the name `dev` is given to two releases [wharf::config::duplicate_name]
     --> wharf.yaml:4:3
      |
    2 |   dev: {chart: c}
      |   --- first here
    3 | kustomize:
    4 |   dev: overlays/dev
      |   ^^^ again here
    help: releases, kustomizations and manifests share their names; rename one of them
    "#);
}

#[test]
fn cycles_are_shown_as_such() {
    assert_snapshot!(error("images:\n  a: {needs: [b]}\n  b: {needs: [c]}\n  c: {needs: [a]}\n"), @r#"
    images wait for each other: `a` → `b` → `c` → `a` [wharf::config::cycle]
     --> wharf.yaml:2:14
      |
    2 |   a: {needs: [b]}
      |              ^^^
    help: take one of them out, such as `b` out of `needs` of `a`
    "#);
    assert_snapshot!(error("releases:\n  a: {chart: c, after: [a]}\n"), @r#"
    releases wait for each other: `a` → `a` [wharf::config::cycle]
     --> wharf.yaml:2:24
      |
    2 |   a: {chart: c, after: [a]}
      |                        ^^^
    help: take `a` out of its own `after`
    "#);
}

#[test]
fn a_missing_variable_is_marked() {
    assert_snapshot!(error("images:\n  api:\n    args: {V: \"${VERSIO}\"}\n"), @r#"
    the environment variable `VERSIO` is not set [wharf::config::missing_variable]
     --> wharf.yaml:3:16
      |
    3 |     args: {V: "${VERSIO}"}
      |                ^^^^^^^^^ not set
    help: did you mean `${VERSION}`?
    help: set `VERSIO`, give a default with `${VERSIO:-…}`, or write `$${VERSIO}` for the text itself
    "#);
    assert_snapshot!(error("images:\n  api:\n    args: {V: \"${NOTHING_LIKE_IT}\"}\n"), @r#"
    the environment variable `NOTHING_LIKE_IT` is not set [wharf::config::missing_variable]
     --> wharf.yaml:3:16
      |
    3 |     args: {V: "${NOTHING_LIKE_IT}"}
      |                ^^^^^^^^^^^^^^^^^^ not set
    help: set `NOTHING_LIKE_IT`, give a default with `${NOTHING_LIKE_IT:-…}`, or write `$${NOTHING_LIKE_IT}` for the text itself
    "#);
    assert_snapshot!(error("registry: ${\n"), @r#"
    `${` is not a variable: `${NAME}` or `${NAME:-default}` is [wharf::config::bad_variable]
     --> wharf.yaml:1:11
      |
    1 | registry: ${
      |           ^^
    help: write `$${` for the text `${`
    "#);
    assert_snapshot!(error("registry: ${a-b}\n"), @r#"
    `${a-b}` is not a variable: `${NAME}` or `${NAME:-default}` is [wharf::config::bad_variable]
     --> wharf.yaml:1:11
      |
    1 | registry: ${a-b}
      |           ^^^^^^
    help: write `$${` for the text `${`
    "#);
}

#[test]
fn broken_yaml_is_marked() {
    assert_snapshot!(error("images:\n  api: {context: a\nreleases: {}\n"), @r#"
    not valid YAML: while parsing a flow mapping, did not find expected ',' or '}' [wharf::config::syntax]
     --> wharf.yaml:3:9
      |
    3 | releases: {}
      |         ^
    "#);
    assert_snapshot!(error("images:\n\tapi: {}\n"), @r#"
    not valid YAML: tabs disallowed within this context (block indentation) [wharf::config::syntax]
     --> wharf.yaml:2:2
      |
    2 |     api: {}
      |     ^
    "#);
    assert_snapshot!(error("a: 1\n---\nb: 2\n"), @r#"
    not valid YAML: a second document begins here [wharf::config::syntax]
     --> wharf.yaml:2:1
      |
    2 | ---
      | ^^^
    "#);
    assert_snapshot!(error("images:\n  api: *base\n"), @r#"
    not valid YAML: while parsing node, found unknown anchor [wharf::config::syntax]
     --> wharf.yaml:2:8
      |
    2 |   api: *base
      |        ^
    "#);
}

#[test]
fn profiles_are_checked_even_when_nobody_asks_for_them() {
    let text = "images:\n  api: {}\nprofiles:\n  ci:\n    images: {api: {contxt: a}}\n";
    assert_snapshot!(error(text), @r#"
    unknown key `contxt` in an image [wharf::config::unknown_key]
    why: in the profile `ci`
     --> wharf.yaml:5:20
      |
    5 |     images: {api: {contxt: a}}
      |                    ^^^^^^ did you mean `context`?
    "#);
    assert_snapshot!(error("profiles:\n  ci: {name: other}\n"), @r#"
    a profile cannot change `name` [wharf::config::conflict]
     --> wharf.yaml:2:8
      |
    2 |   ci: {name: other}
      |        ^^^^
    help: give it at the top of the file
    "#);
    let asked = request(&["cy"], &[]);
    assert_snapshot!(error_with("profiles:\n  ci: {}\n", &asked), @r#"
    there is no profile named `cy` [wharf::config::unknown_profile]
    help: did you mean `ci`?
    "#);
    assert_snapshot!(error_with("images: {}\n", &asked), @r#"
    there is no profile named `cy` [wharf::config::unknown_profile]
    help: the configuration has no `profiles`
    "#);
}

#[test]
fn secrets_are_not_echoed() {
    let text = "images:\n  api: {args: {API_TOKEN: hunter2, V: 1}, contxt: a}\n";
    assert_snapshot!(error(text), @r#"
    unknown key `contxt` in an image [wharf::config::unknown_key]
     --> wharf.yaml:2:43
      |
    2 |   api: {args: {API_TOKEN: *******, V: 1}, contxt: a}
      |                                           ^^^^^^ did you mean `context`?
    "#);
    let text = "releases:\n  a:\n    chart: c\n    set:\n      db:\n        password: |\n          one\n          two\n      db: 1\n";
    assert_snapshot!(error(text), @r#"
    the key `db` is given twice [wharf::config::duplicate_key]
     --> wharf.yaml:9:7
      |
    5 |       db:
      |       -- first here
    ...
    9 |       db: 1
      |       ^^ again here
    "#);
}

#[test]
fn missing_files_are_marked_at_their_line() {
    let check = |text: &str| {
        let folder = folder(&[
            ("wharf.yaml", text),
            ("services/api/Dockerfile", ""),
            ("deploy/chart/Chart.yaml", ""),
            ("deploy/values-dev.yaml", ""),
            ("overlays/dev/", ""),
            ("empty/", ""),
        ]);
        loaded(folder.path()).err().unwrap_or_else(|| "no error".to_owned())
    };
    assert_snapshot!(check("images:\n  api: {context: service/api}\n"), @r#"
    the build context `service/api` does not exist [wharf::config::missing_path]
     --> wharf.yaml:2:18
      |
    2 |   api: {context: service/api}
      |                  ^^^^^^^^^^^ not there
    help: did you mean `services/api`?
    help: the path is relative to the folder of `wharf.yaml`
    "#);
    assert_snapshot!(check("images:\n  api: {context: services/apo}\n"), @r#"
    the build context `services/apo` does not exist [wharf::config::missing_path]
     --> wharf.yaml:2:18
      |
    2 |   api: {context: services/apo}
      |                  ^^^^^^^^^^^^ not there
    help: did you mean `services/api`?
    help: the path is relative to the folder of `wharf.yaml`
    "#);
    assert_snapshot!(check("images:\n  api: {context: empty}\n"), @r#"
    the Dockerfile `empty/Dockerfile` does not exist [wharf::config::missing_path]
     --> wharf.yaml:2:18
      |
    2 |   api: {context: empty}
      |                  ^^^^^ not there
    help: name it with `dockerfile:`
    "#);
    assert_snapshot!(check("images:\n  api: {context: services/api, dockerfile: services/api}\n"), @r#"
    the Dockerfile `services/api` is a folder, and must be a file [wharf::config::wrong_path]
     --> wharf.yaml:2:44
      |
    2 |   api: {context: services/api, dockerfile: services/api}
      |                                            ^^^^^^^^^^^^
    "#);
    assert_snapshot!(check("releases:\n  a: {chart: deploy/cart}\n"), @r#"
    the chart `deploy/cart` does not exist [wharf::config::missing_path]
     --> wharf.yaml:2:14
      |
    2 |   a: {chart: deploy/cart}
      |              ^^^^^^^^^^^ not there
    help: did you mean `deploy/chart`?
    help: a chart of a repository has `repo:` or `version:` beside it
    "#);
    assert_snapshot!(check("releases:\n  a: {chart: deploy}\n"), @r#"
    the chart `deploy` has no `Chart.yaml` [wharf::config::wrong_path]
     --> wharf.yaml:2:14
      |
    2 |   a: {chart: deploy}
      |              ^^^^^^
    "#);
    assert_snapshot!(check("releases:\n  a: {chart: deploy/chart, values: [deploy/values-dv.yaml]}\n"), @r#"
    the values file `deploy/values-dv.yaml` does not exist [wharf::config::missing_path]
     --> wharf.yaml:2:37
      |
    2 |   a: {chart: deploy/chart, values: [deploy/values-dv.yaml]}
      |                                     ^^^^^^^^^^^^^^^^^^^^^ not there
    help: did you mean `deploy/values-dev.yaml`?
    "#);
    assert_snapshot!(check("kustomize: [overlays/dev]\n"), @r#"
    the kustomization `overlays/dev` has no `kustomization.yaml` [wharf::config::wrong_path]
     --> wharf.yaml:1:13
      |
    1 | kustomize: [overlays/dev]
      |             ^^^^^^^^^^^^
    "#);
    assert_snapshot!(check("manifests: [\"k8s/*.yaml\"]\n"), @r#"
    the glob `k8s/*.yaml` matches no file [wharf::config::wrong_path]
     --> wharf.yaml:1:13
      |
    1 | manifests: ["k8s/*.yaml"]
      |             ^^^^^^^^^^^^
    "#);
    assert_snapshot!(check("images:\n  api: {context: services/api}\n"), @"no error");
}

#[test]
fn a_file_that_is_not_there_or_is_anothers_is_said() {
    let empty = folder(&[("README.md", "")]);
    assert_snapshot!(loaded(empty.path()).unwrap_err(), @r#"
    there is no `wharf.yaml` in `FOLDER`, and nothing there to infer one from [wharf::config::nothing_found]
    why: found no Dockerfile
    why: found no chart, kustomization or manifest
    help: run wharf in a folder with a Dockerfile and a Helm chart, kustomization or manifests, or name the configuration with `-f FILE`
    "#);
    let request = ConfigRequest {
        dir: empty.path().to_path_buf(),
        file: Some("other.yaml".into()),
        ..ConfigRequest::default()
    };
    let shown = shown(&load(&request).unwrap_err().failure());
    assert_snapshot!(shown.replace(&empty.path().display().to_string(), "FOLDER"), @r#"
    `FOLDER/other.yaml` does not exist [wharf::config::no_such_file]
    help: check the path given with `-f`
    "#);
}
