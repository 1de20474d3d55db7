//! JSON of a checkpoint, read as transformers reads it: what is null counts as left out.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};

/// Parses a file's content; `path` is for messages.
///
/// # Errors
/// [`Error::Damaged`] with what is wrong.
pub(crate) fn parse<T: DeserializeOwned>(json: &[u8], path: &Path) -> Result<T> {
    let damaged = |e: serde_json::Error| Error::Damaged { path: path.into(), why: e.to_string() };
    from_value(serde_json::from_slice(json).map_err(damaged)?, path)
}

/// The same of a part of a file.
///
/// # Errors
/// [`Error::Damaged`] with what is wrong.
pub(crate) fn from_value<T: DeserializeOwned>(mut value: Value, path: &Path) -> Result<T> {
    leave_out_nulls(&mut value);
    serde_json::from_value(value).map_err(|e| Error::Damaged { path: path.into(), why: e.to_string() })
}

/// Removes every key whose value is null. The depth is bounded by the parser's own.
fn leave_out_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(leave_out_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(leave_out_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_null_is_left_out() {
        let path = Path::new("config.json");
        let value: Value = parse(br#"{"a": null, "b": {"c": null, "d": [1, {"e": null}]}}"#, path).unwrap();
        assert_eq!(value, serde_json::json!({"b": {"d": [1, {}]}}));
        let deep = "[".repeat(100_000);
        assert!(matches!(parse::<Value>(deep.as_bytes(), path), Err(Error::Damaged { .. })));
    }
}
