//! The role and the instance profile, which are found by name and judged by their tags.

use super::super::site::Site;
use super::answer;
use crate::aws::{Error, Kind};
use crate::blueprint::{Owner, Profile, Role};

impl Site {
    pub(super) async fn role(&self) -> Result<Option<Role>, Error> {
        let call = self.iam.get_role().role_name(&self.names.role);
        let Some(found) = if_there(answer("GetRole", call.send()).await)? else { return Ok(None) };
        let Some(role) = found.role() else { return Ok(None) };
        let owner = self.owner(role.tags());
        let policy = match owner {
            Owner::Ours => self.policy().await?,
            Owner::Foreign => None,
        };
        Ok(Some(Role { owner, policy }))
    }

    async fn policy(&self) -> Result<Option<serde_json::Value>, Error> {
        let call = self.iam.get_role_policy().role_name(&self.names.role);
        let call = call.policy_name(&self.names.policy).send();
        let found = if_there(answer("GetRolePolicy", call).await)?;
        // What is no JSON is no policy of ours, and is written anew.
        Ok(found.map(|found| {
            serde_json::from_str(&decode(found.policy_document())).unwrap_or_default()
        }))
    }

    pub(super) async fn profile(&self) -> Result<Option<Profile>, Error> {
        let call = self.iam.get_instance_profile().instance_profile_name(&self.names.role);
        let found = if_there(answer("GetInstanceProfile", call.send()).await)?;
        let profile = found.as_ref().and_then(|found| found.instance_profile());
        Ok(profile.map(|profile| Profile {
            owner: self.owner(profile.tags()),
            roles: profile.roles().iter().map(|role| role.role_name().to_owned()).collect(),
        }))
    }

    fn owner(&self, all: &[aws_sdk_iam::types::Tag]) -> Owner {
        if self.owns(all) { Owner::Ours } else { Owner::Foreign }
    }
}

fn if_there<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// IAM answers with policies as if they stood in an address (RFC 3986).
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.get(..2)).flatten();
        let escaped = escaped.and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_whether_it_is_escaped_or_not() {
        assert_eq!(decode("%7B%22a%22%3A%20%22b%2Bc%22%7D"), "{\"a\": \"b+c\"}");
        assert_eq!(decode("{\"a\": \"100%\"}"), "{\"a\": \"100%\"}");
        assert_eq!(decode("%"), "%");
    }
}
