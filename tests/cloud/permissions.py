"""Whether the role of an instance may make a call: by the policies that IAM has for it.

Whoever is no role may do everything, as the owner of an account may. Of a policy the actions count;
its resources and conditions are not looked at.
"""

import fnmatch
import json

from moto.iam.access_control import AssumedRoleAccessKey, CreateAccessKeyFailure
from moto.iam.models import Policy

import answers


def check(account, call):
    token = call.environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
    if not token or call.action == "GetCallerIdentity":
        return
    try:
        key = AssumedRoleAccessKey(account, "aws", call.key, {"X-Amz-Security-Token": token})
    except CreateAccessKeyFailure:
        raise answers.Refusal("AuthFailure", "AWS was not able to validate them.", 401) from None
    action = f"{call.service}:{call.action}"
    statements = [one for policy in key.collect_policies() for one in statements_of(policy)]
    effects = {one["Effect"] for one in statements if concerns(one, action)}
    if effects != {"Allow"}:
        code = "UnauthorizedOperation" if call.service == "ec2" else "AccessDenied"
        raise answers.Refusal(code, f"{key.arn} is not authorized to perform: {action}", 403)


def statements_of(policy):
    if isinstance(policy, Policy):
        text = next(version.document for version in policy.versions if version.is_default)
    else:
        text = policy if isinstance(policy, str) else policy["policy_document"]
    statements = json.loads(text)["Statement"]
    return statements if isinstance(statements, list) else [statements]


def concerns(statement, action):
    actions = statement.get("Action", [])
    actions = [actions] if isinstance(actions, str) else actions
    return any(fnmatch.fnmatchcase(action.lower(), one.lower()) for one in actions)
