//! Which image a machine starts from when nobody says otherwise.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Image};

use super::Error;

/// Who publishes Amazon Linux.
const OWNER: &str = "amazon";

/// This program's processor, as EC2 calls it. It is what a machine is given to run.
pub const PROCESSOR: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };

/// The newest image of Amazon Linux 2023 for a processor.
///
/// # Errors
/// AWS cannot be asked, or has none.
pub async fn newest(ec2: &Client, processor: &str) -> Result<String, Error> {
    let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let filters = vec![
        filter("name", &format!("al2023-ami-2023.*-{processor}")),
        filter("architecture", processor),
        filter("state", "available"),
    ];
    let call = ec2.describe_images().owners(OWNER).set_filters(Some(filters));
    let answer = call.send().await.map_err(|error| Error::of("DescribeImages", &error))?;
    let newest = answer.images().iter().max_by_key(|image| image.creation_date());
    newest.and_then(Image::image_id).map(str::to_owned).ok_or_else(|| {
        let text = "this region has no image of Amazon Linux 2023: name one as `image` in `[ec2]`";
        Error::invalid("DescribeImages", text)
    })
}
