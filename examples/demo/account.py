"""Make in an AWS account what a team has there before its first run.

Roles, the operator's own user and keys, buckets, a key pair, and the git remote of the model repo. On real
AWS this is somebody's Terraform; here it is done through the same API, as the account's administrator, and
can be repeated at will.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_iam import IAMClient

CHECKOUT = Path(__file__).resolve().parents[2]
LOCAL = CHECKOUT / ".kiln" / "local"
AWS_CONFIG = LOCAL / "aws" / "config"
PRIVATE_KEY = LOCAL / "id_ed25519"
MODEL_REMOTE = LOCAL / "git" / "model_repo.git"
# group_vars/local/main.yml reads from here whom the groups that Kiln makes let in.
HOST_CIDR_FILE = LOCAL / "host_cidr"

PROFILE = "kiln_local"
OPERATOR = "kiln-operator"
# The operator of the local account bakes its images and makes its data-science instance, too.
IMAGE_BAKER = "kiln-image-baker"
DATA_SCIENCE_OPERATOR = "kiln-data-science-operator"
KEY_PAIR = "kiln-local"
BUCKETS = {
    "state_bucket": "kiln-local-state",
    "log_bucket": "kiln-local-logs",
    "data_bucket": "kiln-local-data",
}
STATE_PREFIX = "kiln"  # of kiln_state_uri, group_vars/local/main.yml
ENVIRONMENT = "local"
SERVICE_ROLE = "EMR_DefaultRole_V2"
INSTANCE_ROLE = "EMR_EC2_DefaultRole"
DATA_SCIENCE_ROLE = "kiln-data-science"
DATA_SCIENCE_WORKGROUP = "primary"  # Athena's, in each account
# EMR makes the first two with its first cluster if they are not there (Management Guide, "Working with Amazon
# EMR-managed security groups"), and lets only nodes reach nodes. The third is that of plain instances.
EMR_GROUPS = ("ElasticMapReduce-master", "ElasticMapReduce-slave")
SSH_GROUPS = (*EMR_GROUPS, "default")
# Role: its policy, and the policy of who may have it.
ROLES = {
    SERVICE_ROLE: ("service_role", "service_role_trust"),
    INSTANCE_ROLE: ("instance_profile", "instance_profile_trust"),
    DATA_SCIENCE_ROLE: ("data_science_profile", "instance_profile_trust"),
}


def box_environment() -> dict[str, str]:
    """Return the variables with which any AWS client reaches the local AWS as its administrator."""
    printed = subprocess.run(
        [CHECKOUT / ".venv/bin/emrbox", "env"], check=True, capture_output=True, text=True
    ).stdout
    # Its PATH is for shells: they fill in their own.
    return dict(word.split("=", 1) for word in shlex.split(printed) if word.startswith(("AWS_", "EMRBOX_")))


def administrator() -> boto3.Session:
    """Return a session of the account's administrator."""
    variables = box_environment()
    os.environ.update(variables)
    return boto3.Session(profile_name=variables["AWS_PROFILE"])


def policy(name: str, values: Mapping[str, str]) -> str:
    """Return the policy document iam/NAME.json with its ${…} filled in."""
    text = (CHECKOUT / "iam" / f"{name}.json").read_text()
    return json.dumps(json.loads(Template(text).substitute(values)))


def ensure(create: Callable[..., Any], exists_code: str, **arguments: Any) -> None:
    """Create something; that it exists already is no error."""
    try:
        create(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] != exists_code:
            raise


def make_roles(session: boto3.Session, values: Mapping[str, str]) -> None:
    """Make the EMR service role, and the instance profiles of nodes and of the data-science instance."""
    iam = session.client("iam")
    for role, (document, trust) in ROLES.items():
        allowed = policy(trust, values)
        ensure(iam.create_role, "EntityAlreadyExists", RoleName=role, AssumeRolePolicyDocument=allowed)
        iam.put_role_policy(RoleName=role, PolicyName="kiln", PolicyDocument=policy(document, values))
    for role in (INSTANCE_ROLE, DATA_SCIENCE_ROLE):
        ensure(iam.create_instance_profile, "EntityAlreadyExists", InstanceProfileName=role)
        if not iam.get_instance_profile(InstanceProfileName=role)["InstanceProfile"]["Roles"]:
            iam.add_role_to_instance_profile(InstanceProfileName=role, RoleName=role)


def make_operator(session: boto3.Session, values: Mapping[str, str]) -> None:
    """Make the user that Kiln acts as, with the policies of iam/ and keys in AWS_CONFIG (0600)."""
    iam = session.client("iam")
    ensure(iam.create_user, "EntityAlreadyExists", UserName=OPERATOR)
    policies = {
        OPERATOR: "operator",
        IMAGE_BAKER: "image_baker",
        DATA_SCIENCE_OPERATOR: "data_science_operator",
    }
    for name, document in policies.items():
        arn = f"arn:aws:iam::{values['account_id']}:policy/{name}"
        made = make_managed_policy(iam, arn, policy(document, values))
        iam.attach_user_policy(UserName=OPERATOR, PolicyArn=made)
    if operator_works(values["endpoint_url"]):
        return
    key = iam.create_access_key(UserName=OPERATOR)["AccessKey"]
    config = configparser.ConfigParser()
    config[f"profile {PROFILE}"] = {
        "aws_access_key_id": key["AccessKeyId"],
        "aws_secret_access_key": key["SecretAccessKey"],
        "endpoint_url": values["endpoint_url"],
        "region": values["region"],
    }
    AWS_CONFIG.parent.mkdir(parents=True, exist_ok=True)
    AWS_CONFIG.unlink(missing_ok=True)
    with os.fdopen(os.open(AWS_CONFIG, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        config.write(file)


def make_managed_policy(iam: IAMClient, arn: str, document: str) -> str:
    """Make a managed policy, or let the one that is there have this document; return its ARN.

    A policy has five versions at most (IAM User Guide, "Versioning IAM policies"): old ones are deleted.
    """
    name = arn.rpartition("/")[2]
    ensure(iam.create_policy, "EntityAlreadyExists", PolicyName=name, PolicyDocument=document)
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)
    return arn


def operator_works(endpoint_url: str) -> bool:
    """Return whether the keys of an earlier set-up are still this account's."""
    config = configparser.ConfigParser()
    config.read(AWS_CONFIG)
    section = f"profile {PROFILE}"
    if section not in config or config[section].get("endpoint_url") != endpoint_url:
        return False
    keys = config[section]
    client = boto3.client(
        "sts",
        aws_access_key_id=keys["aws_access_key_id"],
        aws_secret_access_key=keys["aws_secret_access_key"],
        endpoint_url=endpoint_url,
        region_name=keys["region"],
    )
    try:
        client.get_caller_identity()
    except ClientError:
        return False
    return True


def make_buckets(session: boto3.Session) -> None:
    """Make the three buckets: Kiln's state, EMR's logs, the team's data."""
    s3 = session.client("s3")
    for bucket in BUCKETS.values():
        ensure(s3.create_bucket, "BucketAlreadyOwnedByYou", Bucket=bucket)


def upload_jobs(session: boto3.Session) -> None:
    """Put the jobs of daily_transform and mlp_study into S3, as a team's CI does."""
    found = {f"code/{file.name}": file for file in (CHECKOUT / "examples/daily_transform").glob("*.py")}
    for file in (*(CHECKOUT / "examples/mlp_study").glob("*.*"), *study_wheels()):
        folder = "wheels/" if file.suffix in {".whl", ".txt"} else ""
        found[f"code/mlp_study/{folder}{file.name}"] = file
    for key, file in found.items():
        session.client("s3").upload_file(str(file), BUCKETS["data_bucket"], key)


def study_wheels() -> list[Path]:
    """Return what the bootstrap action of mlp_study installs: wheels, fetched once, and requirements.txt."""
    lock = CHECKOUT / "requirements/mlp_study.txt"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kiln/wheels"
    folder = cache / f"mlp_study-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=cache, prefix=".mlp_study-"))
        try:
            fetch_wheels(lock, unfinished)
            # Another checkout may have been faster.
            with suppress(OSError):
                unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return sorted(folder.iterdir())


def fetch_wheels(lock: Path, folder: Path) -> None:
    """Fetch the wheels of a lock file for the nodes, by hash, and put the lock file beside them."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    locked = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(lock)]
    nodes = ["--python-version", "3.11", "--platform", "manylinux_2_28_x86_64"]
    subprocess.run(
        [*pip, *locked, *nodes, "--platform", "manylinux_2_27_x86_64", "--dest", str(folder)], check=True
    )
    shutil.copy(lock, folder / "requirements.txt")


def make_key_pair(session: boto3.Session) -> None:
    """Make an SSH key in this checkout, which its private half never leaves, and import the public half."""
    if not PRIVATE_KEY.exists():
        PRIVATE_KEY.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", KEY_PAIR, "-f", PRIVATE_KEY], check=True
        )
    public = PRIVATE_KEY.with_suffix(".pub").read_bytes()
    ec2 = session.client("ec2")
    ensure(ec2.import_key_pair, "InvalidKeyPair.Duplicate", KeyName=KEY_PAIR, PublicKeyMaterial=public)


def make_network(session: boto3.Session, host_cidr: str) -> None:
    """Let this machine reach port 22 of clusters and instances, and nobody else."""
    ec2 = session.client("ec2")
    # EMR's managed policies, and iam/service_role.json, change the rules of groups with this tag only.
    tags = [{"Key": "for-use-with-amazon-emr-managed-policies", "Value": "true"}]
    for name in EMR_GROUPS:
        ensure(
            ec2.create_security_group,
            "InvalidGroup.Duplicate",
            GroupName=name,
            Description="EMR's group, made before its first cluster",
            TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
        )
    for name in SSH_GROUPS:
        let_in(ec2, name, 22, {"IpRanges": [{"CidrIp": host_cidr}]})
    HOST_CIDR_FILE.write_text(host_cidr + "\n")


def let_in(ec2: EC2Client, group_name: str, port: int, source: Any) -> None:
    """Open a TCP port of a group of the default VPC to `source`, the other half of an IpPermission."""
    rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **source}
    authorize = ec2.authorize_security_group_ingress
    ensure(authorize, "InvalidPermission.Duplicate", GroupName=group_name, IpPermissions=[rule])


def make_model_remote() -> str:
    """Commit examples/model_repo to branch main of a bare repository, as a team would; return the commit."""
    environment = {
        **os.environ,
        "GIT_DIR": str(MODEL_REMOTE),
        "GIT_WORK_TREE": str(CHECKOUT / "examples/model_repo"),
        "GIT_INDEX_FILE": str(MODEL_REMOTE / "index.demo"),
        **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "Model team"),
        **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "models@example.com"),
    }

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    if not MODEL_REMOTE.exists():
        subprocess.run(
            ["git", "init", "--quiet", "--bare", "--initial-branch=main", MODEL_REMOTE], check=True
        )
    git("add", "--all", "--force", ":/", ":(exclude)**/__pycache__/**")
    tree = git("write-tree")
    known = subprocess.run(
        ["git", "rev-parse", "--quiet", "--verify", "main^{tree}"],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    ).stdout.strip()
    if tree != known:
        parents = ["-p", git("rev-parse", "main")] if known else []
        git(
            "update-ref",
            "refs/heads/main",
            git("commit-tree", tree, *parents, "-m", "Models as of this checkout"),
        )
    return git("rev-parse", "main")


def make_account() -> boto3.Session:
    """Do all of it; return the administrator's session."""
    session = administrator()
    identity = session.client("sts").get_caller_identity()
    values = {
        **BUCKETS,
        "state_prefix": STATE_PREFIX,
        "environment": ENVIRONMENT,
        "account_id": identity["Account"],
        "region": session.region_name or "us-east-1",
        "endpoint_url": os.environ["AWS_ENDPOINT_URL"],
        "service_role": SERVICE_ROLE,
        "instance_role": INSTANCE_ROLE,
        "data_science_role": DATA_SCIENCE_ROLE,
        "data_science_workgroup": DATA_SCIENCE_WORKGROUP,
    }
    make_roles(session, values)
    make_operator(session, values)
    make_buckets(session)
    upload_jobs(session)
    make_key_pair(session)
    make_network(session, os.environ["EMRBOX_HOST_CIDR"])
    make_model_remote()
    return session


if __name__ == "__main__":
    make_account()
