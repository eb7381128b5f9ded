//! DSSE envelopes with Ed25519 signatures: what is signed, with which key, and whether it is what was signed.
//!
//! Signed is the pre-authentication encoding `DSSEv1 SP len(type) SP type SP len(body) SP body` (DSSE 1.0), so that neither the payload nor its
//! type can be exchanged. Signatures are deterministic (RFC 8032) and checked strictly, base64 has one form, and an envelope is one line in
//! one form: no byte of it can change unseen.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use thiserror::Error;

use crate::load::{FileError, SourceFile, sha256_hex};

/// The type of in-toto statements.
const PAYLOAD: &str = "application/vnd.in-toto+json";

/// Why a file is no key.
#[derive(Debug, Error)]
pub(crate) enum KeyError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(
        "{0}: no Ed25519 private key in PEM (PKCS #8) without a passphrase; make one by: openssl genpkey -algorithm ed25519 -out {0}"
    )]
    Private(PathBuf),
    #[error(
        "{0}: no Ed25519 public key in PEM; make it from the private key by: openssl pkey -in PRIVATE.pem -pubout -out PUBLIC.pem"
    )]
    Public(PathBuf),
}

/// A key to sign with.
pub(crate) struct SignKey(SigningKey);

/// A key to check with.
pub(crate) struct CheckKey(VerifyingKey);

fn text(file: &Path) -> Result<String, KeyError> {
    Ok(String::from_utf8_lossy(&SourceFile::read(file)?.bytes).into_owned())
}

impl SignKey {
    /// Reads a private key.
    ///
    /// # Errors
    /// Where the file cannot be read or holds none.
    pub(crate) fn read(file: &Path) -> Result<Self, KeyError> {
        let key = SigningKey::from_pkcs8_pem(&text(file)?);
        key.map(Self).map_err(|_| KeyError::Private(file.to_owned()))
    }

    /// The envelope of a payload, as one line.
    pub(super) fn envelope(&self, payload: &str) -> String {
        let sig = self.0.sign(&encoding(payload.as_bytes()));
        let check = CheckKey(self.0.verifying_key());
        line(payload.as_bytes(), &check.id(), &sig)
    }
}

impl CheckKey {
    /// Reads a public key.
    ///
    /// # Errors
    /// Where the file cannot be read or holds none.
    pub(crate) fn read(file: &Path) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_public_key_pem(&text(file)?);
        key.map(Self).map_err(|_| KeyError::Public(file.to_owned()))
    }

    /// The SHA-256 of the key in DER.
    pub(crate) fn id(&self) -> String {
        self.0.to_public_key_der().map_or_else(|_| String::new(), |der| sha256_hex(der.as_bytes()))
    }
}

/// An envelope as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stored {
    payload_type: String,
    payload: String,
    signatures: [StoredSignature; 1],
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct StoredSignature {
    keyid: String,
    sig: String,
}

/// What an envelope holds, once it was found to be whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// The payload.
    pub(super) payload: String,
    /// The id of the key that it names.
    pub(super) key: String,
}

/// Opens an envelope; with a key, only where that key signed it.
///
/// # Errors
/// What is wrong, as part of a sentence.
pub(super) fn open(bytes: &[u8], key: Option<&CheckKey>) -> Result<Opened, String> {
    let stored: Stored =
        serde_json::from_slice(bytes).map_err(|error| format!("no signed statement ({error})"))?;
    let [StoredSignature { keyid, sig }] = &stored.signatures;
    let decoded = |text: &str| STANDARD.decode(text).map_err(|_| "no base64".to_owned());
    let (payload, sig) = (decoded(&stored.payload)?, decoded(sig)?);
    let signature = Signature::from_slice(&sig).map_err(|_| "no Ed25519 signature".to_owned())?;
    if stored.payload_type != PAYLOAD || line(&payload, keyid, &signature).as_bytes() != bytes {
        return Err("not in the form in which it was written".to_owned());
    }
    if let Some(key) = key {
        if *keyid != key.id() {
            return Err(format!("signed with another key, of id {keyid}"));
        }
        let valid = key.0.verify_strict(&encoding(&payload), &signature);
        valid.map_err(|_| "the signature is not that of this statement by this key".to_owned())?;
    }
    let payload = String::from_utf8(payload).map_err(|_| "no text".to_owned())?;
    Ok(Opened { payload, key: keyid.clone() })
}

fn encoding(payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {PAYLOAD} {} ", PAYLOAD.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

fn line(payload: &[u8], keyid: &str, signature: &Signature) -> String {
    let stored = Stored {
        payload_type: PAYLOAD.to_owned(),
        payload: STANDARD.encode(payload),
        signatures: [StoredSignature {
            keyid: keyid.to_owned(),
            sig: STANDARD.encode(signature.to_bytes()),
        }],
    };
    serde_json::to_string(&stored).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> (SignKey, CheckKey) {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let check = CheckKey(key.verifying_key());
        (SignKey(key), check)
    }

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        assert_eq!(
            encoding(b"hello world"),
            b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"
        );
    }

    #[test]
    fn no_byte_of_an_envelope_changes_unseen() {
        let (sign, check) = key(7);
        let envelope = sign.envelope("{\"a\":1}").into_bytes();
        assert_eq!(open(&envelope, Some(&check)).unwrap().payload, "{\"a\":1}");
        for at in 0..envelope.len() {
            for flip in [1u8, 2, 4, 32, 64] {
                let mut other = envelope.clone();
                other[at] ^= flip;
                assert!(open(&other, Some(&check)).is_err(), "byte {at}, flip {flip}");
            }
            let mut shorter = envelope.clone();
            shorter.remove(at);
            assert!(open(&shorter, Some(&check)).is_err(), "without byte {at}");
        }
        assert!(open(&[&envelope[..], b"\n"].concat(), Some(&check)).is_err());
    }

    #[test]
    fn another_key_is_told() {
        let ((sign, own), (_, other)) = (key(1), key(2));
        let envelope = sign.envelope("{}");
        let problem = open(envelope.as_bytes(), Some(&other)).unwrap_err();
        assert!(problem.contains(&own.id()), "{problem}");
        // The other key's id on it does not help.
        let renamed = envelope.replace(&own.id(), &other.id());
        let problem = open(renamed.as_bytes(), Some(&other)).unwrap_err();
        assert!(problem.contains("not that of this statement"), "{problem}");
        assert_eq!(open(envelope.as_bytes(), None).unwrap().key, own.id());
    }
}
