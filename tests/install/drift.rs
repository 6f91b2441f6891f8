//! What somebody changed by hand is shown, and mended.

use crate::laptop::{Laptop, settings, shape};

#[test]
fn rules_that_were_changed_and_a_volume_of_another_size_are_shown() {
    let settings = settings("");
    let Some(laptop) = Laptop::new(&settings) else { return };
    laptop.kill_when_it_says(&["install"], "waiting for the balancer to answer");
    let before = shape(&laptop.cloud.account());
    let group = laptop.group("backend");
    let open = [
        ("Action", "AuthorizeSecurityGroupIngress"),
        ("GroupId", &group),
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", "5000"),
        ("IpPermissions.1.ToPort", "5000"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
    ];
    laptop.call("ec2", &open);
    laptop.configure(&settings.replace("[ec2]\n", "[ec2]\nvolume = 20\n"));
    let plan = laptop.run(&["plan"]).ended_with(2).stdout();
    for words in [
        "    ~ security group cloudaps-shop-backend\n        - tcp 5000 from 0.0.0.0/0\n",
        "has 8 GiB, not 20: it is left as it is",
    ] {
        assert!(plan.contains(words), "`{words}` is not in:\n{plan}");
    }
    laptop.configure(&settings);
    laptop.kill_when_it_says(&["install"], "waiting for the balancer to answer");
    assert_eq!(shape(&laptop.cloud.account()), before);
}
