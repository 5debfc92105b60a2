//! Ids in what is told of entries, with the names they have today. The entries themselves say ids: a name is a personal detail, or changes.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::audit::Entry;
use crate::web::AppState;
use crate::web::error::WebError;

/// What ids of people, agencies, agreements and campaigns begin with.
const NAMED: [&str; 4] = ["acc_", "agy_", "agr_", "cmp_"];

/// The same entries, with names beside the ids in their facts.
pub(in crate::web::pages) async fn named(portal: &AppState, mut entries: Vec<Entry>) -> Result<Vec<Entry>, WebError> {
    let mut ids = BTreeSet::new();
    for value in entries.iter().flat_map(|entry| entry.facts.values()) {
        collect(value, &mut ids);
    }
    if ids.is_empty() {
        return Ok(entries);
    }
    let names = portal.entitlements.names(ids.into_iter().collect()).await?;
    for value in entries.iter_mut().flat_map(|entry| entry.facts.values_mut()) {
        name(value, &names);
    }
    Ok(entries)
}

fn is_id(text: &str) -> bool {
    let letters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    letters && text.len() <= 40 && NAMED.iter().any(|prefix| text.starts_with(prefix))
}

fn collect(value: &Value, ids: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if is_id(text) => drop(ids.insert(text.clone())),
        Value::Array(values) => values.iter().for_each(|value| collect(value, ids)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, ids)),
        _ => {}
    }
}

fn name(value: &mut Value, names: &HashMap<String, String>) {
    match value {
        Value::String(text) => {
            if let Some(name) = names.get(text) {
                *text = format!("{name} ({text})");
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| name(value, names)),
        Value::Object(fields) => fields.values_mut().for_each(|value| name(value, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_found_and_named_wherever_they_stand() {
        let mut facts =
            json!({ "account": "acc_1", "people": ["acc_2", "acc_9"], "after": { "agency": "agy_1" }, "reason": "acc_1 left", "n": 3 });
        let mut ids = BTreeSet::new();
        collect(&facts, &mut ids);
        assert_eq!(ids.into_iter().collect::<Vec<_>>(), ["acc_1", "acc_2", "acc_9", "agy_1"]);
        let names = [("acc_1", "Ada"), ("acc_2", "Bea"), ("agy_1", "Agency One")].map(|(id, name)| (id.to_owned(), name.to_owned()));
        name(&mut facts, &HashMap::from(names));
        assert_eq!(
            facts,
            json!({ "account": "Ada (acc_1)", "people": ["Bea (acc_2)", "acc_9"], "after": { "agency": "Agency One (agy_1)" },
                    "reason": "acc_1 left", "n": 3 })
        );
    }
}
