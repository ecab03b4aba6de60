//! Answers against docs/openapi.json: the part of JSON Schema that it uses, and nothing that it does not describe.

use serde_json::Value;

/// The document.
pub struct Document(Value);

impl Document {
    pub fn read() -> Self {
        Self(serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap())
    }

    /// The answer with status 200 to a request, which has the form that the document describes.
    pub fn check(&self, method: &str, path: &str, body: &str) -> Value {
        let value: Value = serde_json::from_str(body).unwrap_or_else(|why| panic!("{why}: {body}"));
        let described = &self.0["paths"][path][method]["responses"]["200"];
        assert!(!described.is_null(), "{method} {path} is not described");
        let schema = &self.follow(described)["content"]["application/json"]["schema"];
        self.fits(schema, &value, path);
        value
    }

    fn follow<'a>(&'a self, node: &'a Value) -> &'a Value {
        let Some(target) = node["$ref"].as_str() else { return node };
        let found = self.0.pointer(target.trim_start_matches('#'));
        found.unwrap_or_else(|| panic!("{target} leads nowhere"))
    }

    /// A schema and all that it consists of.
    fn parts<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        let schema = self.follow(schema);
        let all = schema["allOf"].as_array().into_iter().flatten();
        std::iter::once(schema).chain(all.flat_map(|part| self.parts(part))).collect()
    }

    fn fits(&self, schema: &Value, value: &Value, at: &str) {
        let parts = self.parts(schema);
        let said = |key: &'static str| parts.iter().map(move |part| &part[key]).filter(|part| !part.is_null());
        for kind in said("type") {
            let is_it = match kind.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_u64(),
                "number" => value.is_number(),
                other => panic!("{at}: the type {other}"),
            };
            assert!(is_it, "{at} is no {kind}: {value}");
        }
        for words in said("enum") {
            assert!(words.as_array().unwrap().contains(value), "{at}: {value} is none of {words}");
        }
        for least in said("minimum") {
            assert!(value.as_f64() >= least.as_f64(), "{at}: {value} is less than {least}");
        }
        for most in said("maximum") {
            assert!(value.as_f64() <= most.as_f64(), "{at}: {value} is more than {most}");
        }
        for item in value.as_array().into_iter().flatten() {
            said("items").for_each(|schema| self.fits(schema, item, &format!("{at}[]")));
        }
        let Some(members) = value.as_object() else { return };
        let needed = said("required").flat_map(|all| all.as_array().unwrap());
        let missing: Vec<_> = needed.filter(|key| !members.contains_key(key.as_str().unwrap())).collect();
        assert!(missing.is_empty(), "{at} lacks {missing:?}: {value}");
        for (key, member) in members {
            let described: Vec<_> = said("properties").map(|all| &all[key]).filter(|one| !one.is_null()).collect();
            assert!(!described.is_empty(), "{at}.{key} is not described");
            described.iter().for_each(|schema| self.fits(schema, member, &format!("{at}.{key}")));
        }
    }
}
