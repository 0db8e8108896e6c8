//! Waits until the API server serves the kinds that CustomResourceDefinitions define.

use futures::future::try_join_all;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::runtime::wait::await_condition;
use kube::{Api, Client};

use super::error::ObserveError;

/// What is thought of one definition.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Definition {
    /// Its kind is served.
    Established,
    /// Not yet.
    Pending,
    /// Its names are taken by another.
    Refused(String),
}

/// Judges a definition.
pub(super) fn judge(definition: &CustomResourceDefinition) -> Definition {
    let status = definition.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let find = |sort: &str, value: &str| {
        let mut conditions = conditions.into_iter().flatten();
        conditions.find(|one| one.type_ == sort && one.status == value)
    };
    if let Some(refused) = find("NamesAccepted", "False") {
        return Definition::Refused(refused.message.clone().unwrap_or_default());
    }
    match find("Established", "True") {
        Some(_) => Definition::Established,
        None => Definition::Pending,
    }
}

/// Waits until all of `names` are established.
pub(super) async fn settle(client: &Client, names: &[String]) -> Result<(), ObserveError> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let waits = names.iter().map(|name| settle_one(&api, name));
    try_join_all(waits).await.map(|_| ())
}

async fn settle_one(api: &Api<CustomResourceDefinition>, name: &str) -> Result<(), ObserveError> {
    let decided = |definition: Option<&CustomResourceDefinition>| {
        definition.is_some_and(|definition| judge(definition) != Definition::Pending)
    };
    let definition = await_condition(api.clone(), name, decided).await.map_err(|error| {
        let why = std::error::Error::source(&error)
            .map_or_else(|| error.to_string(), ToString::to_string);
        ObserveError::unwatched(format!("crd/{name}"), why)
    })?;
    match definition.as_ref().map(judge) {
        Some(Definition::Refused(why)) => {
            Err(ObserveError::NamesTaken { definition: name.to_owned(), why })
        }
        _ => Ok(()),
    }
}
