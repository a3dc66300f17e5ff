//! A transit engine in a few lines: it really encrypts, keeps versions, and refuses what the real
//! one refuses, in its words. The rules are those of Vault's and `OpenBao`'s documentation.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cipher::{Context, Material, field::FieldKey};
use kernel::SystemRng;
use serde_json::{Value, json};

use crate::testing::Asked;

/// The engine of one server.
pub(crate) struct Engine {
    token: String,
    /// By namespace, mount and name.
    keys: Mutex<HashMap<String, Key>>,
}

struct Key {
    versions: BTreeMap<u64, Material>,
    kind: String,
    exportable: bool,
    derived: bool,
    min_decryption: u64,
    min_encryption: u64,
    min_available: u64,
}

type Answer = Result<Value, (u16, String)>;

impl Engine {
    pub(crate) fn new(token: &str) -> Self {
        Self { token: token.to_owned(), keys: Mutex::default() }
    }

    /// Makes a key as an administrator might.
    pub(crate) fn make(&self, path: &str, body: &Value) {
        self.keys.lock().unwrap().insert(path.to_owned(), Key::new(body));
    }

    pub(crate) fn count(&self) -> usize {
        self.keys.lock().unwrap().len()
    }

    pub(crate) fn answer(&self, asked: &Asked) -> (u16, Vec<u8>) {
        let answer = if asked.header("x-vault-token") == self.token {
            self.route(asked)
        } else {
            Err((403, "permission denied".to_owned()))
        };
        let (status, body) = match answer {
            Ok(Value::Null) => return (204, Vec::new()),
            Ok(data) => (200, json!({ "data": data })),
            // A key that is not there has no errors to tell.
            Err((404, _)) => (404, json!({ "errors": [] })),
            Err((status, why)) => (status, json!({ "errors": [why] })),
        };
        (status, body.to_string().into_bytes())
    }

    fn route(&self, asked: &Asked) -> Answer {
        let parts: Vec<&str> = asked.path.trim_start_matches("/v1/").split('/').collect();
        let body = asked.json();
        let (mount, rest) = parts.split_first().ok_or((404, String::new()))?;
        let name = rest.get(1).copied().unwrap_or_default();
        let path = format!("{}/{mount}/{name}", asked.header("x-vault-namespace"));
        let mut keys = self.keys.lock().unwrap();
        match (asked.method.as_str(), rest) {
            ("GET", ["keys", _]) => Ok(found(&mut keys, &path)?.card()),
            ("POST", ["keys", _]) => Ok(keys.entry(path).or_insert_with(|| Key::new(&body)).card()),
            ("POST", ["keys", _, "rotate"]) => Ok(found(&mut keys, &path)?.rotate()),
            ("POST", ["keys", _, "config"]) => bad(found(&mut keys, &path)?.config(&body)),
            ("POST", ["keys", _, "trim"]) => bad(found(&mut keys, &path)?.trim(&body)),
            // As the real one does for a token that may create: it makes what is not there.
            ("POST", ["encrypt", _]) => {
                Ok(keys.entry(path).or_insert_with(|| Key::new(&json!({}))).encrypt(&body))
            }
            ("POST", ["decrypt", _]) => {
                let key = keys.get_mut(&path).ok_or("encryption key not found");
                bad(key.and_then(|key| key.decrypt(&body)))
            }
            _ => Err((404, String::new())),
        }
    }
}

impl Key {
    fn new(body: &Value) -> Self {
        let yes = |name: &str| body[name].as_bool().unwrap_or(false);
        let mut key = Self {
            versions: BTreeMap::new(),
            kind: body["type"].as_str().unwrap_or("aes256-gcm96").to_owned(),
            exportable: yes("exportable"),
            derived: yes("derived"),
            min_decryption: 1,
            min_encryption: 0,
            min_available: 0,
        };
        key.rotate();
        key
    }

    fn latest(&self) -> u64 {
        *self.versions.keys().last().unwrap_or(&0)
    }

    fn card(&self) -> Value {
        json!({
            "type": self.kind,
            "derived": self.derived,
            "exportable": self.exportable,
            "allow_plaintext_backup": false,
            "latest_version": self.latest(),
            "min_decryption_version": self.min_decryption,
            "min_encryption_version": self.min_encryption,
            "min_available_version": self.min_available,
            "keys": self.versions.keys().map(|v| (v.to_string(), 0)).collect::<HashMap<_, _>>(),
        })
    }

    fn rotate(&mut self) -> Value {
        let next = self.latest() + 1;
        self.versions.insert(next, Material::generate(&SystemRng).unwrap());
        Value::Null
    }

    fn config(&mut self, body: &Value) -> Result<Value, &'static str> {
        let said = |name: &str, old| body[name].as_u64().unwrap_or(old);
        let decryption = said("min_decryption_version", self.min_decryption).max(1);
        let encryption = said("min_encryption_version", self.min_encryption);
        if decryption > self.latest() || encryption > self.latest() {
            return Err("cannot set a minimum version higher than the latest version");
        }
        if encryption > 0 && encryption < decryption {
            return Err("cannot set min encryption version lower than min decryption version");
        }
        if decryption < self.min_available {
            return Err("min decryption version should not be less than min available version");
        }
        (self.min_decryption, self.min_encryption) = (decryption, encryption);
        Ok(Value::Null)
    }

    fn trim(&mut self, body: &Value) -> Result<Value, &'static str> {
        let least = body["min_available_version"].as_u64().ok_or("missing version")?;
        if least < self.min_available {
            return Err("minimum available version cannot be decremented");
        }
        if self.min_encryption == 0 {
            return Err("minimum encryption version is not set");
        }
        if least == 0 || least > self.min_encryption || least > self.min_decryption {
            return Err("minimum available version cannot be greater than the others");
        }
        self.min_available = least;
        self.versions.retain(|version, _| *version >= least);
        Ok(Value::Null)
    }

    fn encrypt(&self, body: &Value) -> Value {
        let text = BASE64.decode(body["plaintext"].as_str().unwrap()).unwrap();
        let key = FieldKey::new(&self.versions[&self.latest()]).unwrap();
        let sealed = key.seal(&Context::of("stand-in"), &text, &SystemRng).unwrap();
        json!({ "ciphertext": format!("vault:v{}:{}", self.latest(), BASE64.encode(sealed)) })
    }

    fn decrypt(&self, body: &Value) -> Result<Value, &'static str> {
        let form = "invalid ciphertext: no prefix";
        let text = body["ciphertext"].as_str().and_then(|text| text.strip_prefix("vault:v"));
        let (version, sealed) = text.and_then(|text| text.split_once(':')).ok_or(form)?;
        let version = version.parse::<u64>().map_err(|_| "invalid ciphertext: version number")?;
        if version > self.latest() {
            return Err("invalid ciphertext: version is too new");
        }
        if version < self.min_decryption {
            return Err("ciphertext or signature version is disallowed by policy (too old)");
        }
        let key = FieldKey::new(self.versions.get(&version).ok_or("no such version")?).unwrap();
        let sealed = BASE64.decode(sealed).map_err(|_| "invalid ciphertext: base64")?;
        let text = key.open(&Context::of("stand-in"), &sealed);
        let text = text.map_err(|_| "cipher: message authentication failed")?;
        Ok(json!({ "plaintext": BASE64.encode(&*text) }))
    }
}

fn found<'a>(keys: &'a mut HashMap<String, Key>, path: &str) -> Result<&'a mut Key, (u16, String)> {
    keys.get_mut(path).ok_or((404, String::new()))
}

fn bad(answer: Result<Value, &'static str>) -> Answer {
    answer.map_err(|why| (400, why.to_owned()))
}
