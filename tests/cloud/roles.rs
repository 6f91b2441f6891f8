//! What a machine may do: its role's credentials, objects of S3, and how it comes by them.

use std::time::Duration;

use aws_sdk_ec2::types::IamInstanceProfileSpecification;
use cloudaps::aws::Access;
use rusty_s3::actions::{CreateBucket, GetObject, PutObject, S3Action};
use rusty_s3::{Bucket, Credentials, UrlStyle};

use super::cloud::{Setting, TRUST, eventually};
use super::customer::{inside, launch, launched, refused, up};

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
    "Action":["ec2:Describe*"],"Resource":"*"}]}"#;

/// Two calls of EC2, signed with what the metadata says.
const CALLS: &str = r#"#!/bin/sh
metadata=$AWS_EC2_METADATA_SERVICE_ENDPOINT/latest
token=$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $metadata/api/token)
read_metadata() { curl -sf -H "X-aws-ec2-metadata-token: $token" $metadata/meta-data/$1; }
role=$(read_metadata iam/security-credentials/)
credentials=$(read_metadata iam/security-credentials/$role)
value() { echo "$credentials" | sed "s/.*\"$1\": \"\([^\"]*\)\".*/\1/"; }
call() {
    curl -s --aws-sigv4 "aws:amz:$(read_metadata placement/region):ec2" \
        --user "$(value AccessKeyId):$(value SecretAccessKey)" \
        -H "X-Amz-Security-Token: $(value Token)" \
        -d "Action=$1&Version=2016-11-15" "$AWS_ENDPOINT_URL/"
}
curl -s -o /dev/null -w 'without a token: %{http_code}\n' $metadata/meta-data/instance-id
echo "I am $(read_metadata instance-id) as $role"
call DescribeInstances | grep -o '<instanceId>[^<]*'
call CreateVpc | grep -o '<Code>[^<]*'
echo done
"#;

#[test]
fn a_machine_may_do_what_its_role_may() {
    inside(async |cloud, client| {
        let iam = Access::open(None).await.unwrap().iam();
        let role = iam.create_role().role_name("reader").assume_role_policy_document(TRUST);
        role.send().await.unwrap();
        let policy = iam.put_role_policy().role_name("reader").policy_name("reads");
        policy.policy_document(POLICY).send().await.unwrap();
        iam.create_instance_profile().instance_profile_name("reader").send().await.unwrap();
        let add = iam.add_role_to_instance_profile().instance_profile_name("reader");
        add.role_name("reader").send().await.unwrap();

        cloud.set(Setting::ProfilesUnknownFor(Duration::from_secs(1)));
        let profile = IamInstanceProfileSpecification::builder().name("reader").build();
        let request = launch(&client, CALLS).iam_instance_profile(profile);
        assert_eq!(refused(request.clone().send().await), "InvalidParameterValue");
        cloud.set(Setting::ProfilesUnknownFor(Duration::ZERO));
        let id = launched(request).await;
        let said = eventually("the user data is done", || {
            let said = cloud.console(&id);
            said.contains("done\n").then_some(said)
        });
        assert!(said.contains("without a token: 401"), "{said}");
        assert!(said.contains(&format!("I am {id} as reader")), "{said}");
        assert!(said.contains(&format!("<instanceId>{id}")), "{said}");
        assert!(said.contains("<Code>UnauthorizedOperation"), "{said}");
    });
}

#[test]
fn a_machine_fetches_an_object_by_a_presigned_link() {
    inside(async |cloud, client| {
        let credentials = Access::open(None).await.unwrap().credentials().await.unwrap();
        let key = Credentials::new(credentials.access_key_id(), credentials.secret_access_key());
        let endpoint = cloud.endpoint().parse().unwrap();
        let bucket = Bucket::new(endpoint, UrlStyle::Path, "artifacts", "us-east-1").unwrap();
        let hour = Duration::from_secs(3600);
        let create = CreateBucket::new(&bucket, &key).sign(hour);
        ureq::put(create.as_str()).send_empty().unwrap();
        let put = PutObject::new(&bucket, Some(&key), "program").sign(hour);
        ureq::put(put.as_str()).send("#!/bin/sh\necho it runs\n").unwrap();
        let get = GetObject::new(&bucket, Some(&key), "program").sign(hour);

        let id = launched(launch(&client, "#!/bin/sh\n")).await;
        up(cloud, &id);
        let fetch = format!("cd /usr/local/bin && curl -sfo program '{get}' && sh program");
        let output = cloud.run(&id, &["sh", "-c", &fetch]);
        assert_eq!(output.stdout, "it runs\n", "{output:?}");
        assert_eq!(cloud.account()["buckets"]["artifacts"]["keys"][0], "program");
    });
}
