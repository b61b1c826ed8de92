"""The deployed binaries and the parameter `Architecture` cannot differ."""

import pytest
from botocore.exceptions import ClientError
from deployment import Deployment


def test_another_processor_without_a_build_is_rejected_without_changes(deployment: Deployment):
    """Changes the parameter as the runbook's `change` does."""
    cloudformation = deployment.aws.client("cloudformation")
    [stack] = cloudformation.describe_stacks(StackName=deployment.settings.stack_name)["Stacks"]
    values = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
    other = {"x86_64": "arm64", "arm64": "x86_64"}[values["Architecture"]]
    kept = [{"ParameterKey": name, "UsePreviousValue": True} for name in values if name != "Architecture"]

    with pytest.raises(ClientError, match="ArchitectureOfTheBuild"):
        cloudformation.update_stack(
            StackName=deployment.settings.stack_name,
            UsePreviousTemplate=True,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[*kept, {"ParameterKey": "Architecture", "ParameterValue": other}],
        )

    name = deployment.outputs["SyncFunctionName"]
    function = deployment.aws.client("lambda").get_function_configuration(FunctionName=name)
    assert function["Architectures"] == [values["Architecture"]]
