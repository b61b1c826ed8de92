"""Each alarm is raised when its cause is present, and not otherwise.

For alarms on the functions' metrics, the tests cause the condition on the stack and take the values from the functions' events.
The local AWS has no alarms on metric math: tools/alarms.py evaluates their expressions.
For alarms on AWS's metrics, most of which the local AWS lacks, the values are those that AWS would count. The tests cause the
condition and count where possible. tests/template compares names and dimensions with AWS's documentation. metric_lines.py
evaluates the alarms.
"""

import json
import time

import pytest
from alarms import alarms as alarms_of
from deployment import Deployment, new_link_id, wait_until, webhook
from metric_lines import AlarmCopy, MathAlarm, lines, wait_for_lines
from stack.fake_belvo import Control
from template import read

WORKED_ON = "worked on a message"


def test_ten_wrong_credentials_raise_the_alarm_and_nine_do_not(deployment: Deployment):
    alarm = AlarmCopy(deployment, "RefusedCredentialsAlarm")
    before = len(alarm.own(lines(deployment)))

    assert {deployment.post({}, "Bearer wrong").status_code for _ in range(10)} == {401}

    wait_until(lambda: len(alarm.own(lines(deployment))) >= before + 10, "ten lines")
    [*nine, tenth] = alarm.own(lines(deployment))[before:]
    assert alarm.state_after(nine) == "OK"
    assert alarm.state_after([tenth]) == "ALARM"


def test_the_first_message_with_a_rejected_api_key_raises_the_alarm(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=5)
    belvo.set_faults({"match": {"path_prefix": "/api/", "link": link_id}, "fault": {"status": 401}})

    deployment.post(webhook(link_id))

    failed = wait_for_lines(deployment, 1, link_id=link_id, message=WORKED_ON, error="belvo_unauthorized")
    belvo.clear_faults()
    deployment.wait_for_outcome(link_id, "applied")
    alarm = AlarmCopy(deployment, "BelvoUnauthorizedAlarm")
    done = wait_for_lines(deployment, 1, link_id=link_id, message=WORKED_ON, outcome="applied")
    assert alarm.own(done) == [], "a successful event has no datapoint for it"
    assert alarm.state_after(alarm.own(failed)[:1]) == "ALARM"


def test_three_rejected_webhooks_without_an_accepted_one_raise_the_alarm(deployment: Deployment):
    alarm = MathAlarm(deployment, "NothingAcceptedAlarm")
    before = len(lines_of_the_door(deployment))

    assert [deployment.post({}, "Bearer of yesterday").status_code for _ in range(2)] == [401, 401]
    with deployment.environment("WebhookFunctionName", "ALLOWED_SOURCE_IPS", "192.0.2.1"):
        assert deployment.post(webhook(new_link_id())).status_code == 403
    assert deployment.post(webhook(new_link_id(), "HOROSCOPES", "unheard_of")).status_code == 202

    wait_until(lambda: len(lines_of_the_door(deployment)) >= before + 4, "four lines")
    [first, second, third, accepted] = lines_of_the_door(deployment)[before:]
    assert alarm.own([first, second, third]) == {"credentials": 2, "addresses": 1}
    assert alarm.own([accepted]) == {"accepted": 1}
    assert alarm.rings(alarm.own([first, second, third]))
    assert not alarm.rings(alarm.own([first, second])), "below the threshold"
    assert not alarm.rings(alarm.own([first, second, third, accepted]))


def lines_of_the_door(deployment: Deployment) -> list[dict]:
    messages = ("refused a webhook", "accepted a webhook")
    found = [line for line in lines(deployment) if line.get("message") in messages]
    return sorted(found, key=lambda line: line["timestamp"])


def test_a_message_that_has_failed_for_an_hour_raises_the_alarm(deployment: Deployment, belvo: Control):
    alarm = AlarmCopy(deployment, "FailingMessageAlarm")
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=5)
    belvo.set_faults({"match": {"path_prefix": "/api/", "link": link_id}, "fault": {"status": 500}})

    deployment.post(webhook(link_id))

    failed = wait_for_lines(deployment, 2, link_id=link_id, message=WORKED_ON, outcome="failed")
    belvo.clear_faults()
    deployment.wait_for_outcome(link_id, "applied")
    done = wait_for_lines(deployment, 1, link_id=link_id, message=WORKED_ON, outcome="applied")
    ages = alarm.own(sorted(failed, key=lambda line: line["attempt"]))
    assert ages == sorted(ages) and ages[0] < ages[-1] < 60_000, "the time since the first receipt"
    assert ages[-1] >= 1_000, "after a backoff"
    assert alarm.own(done) == []
    assert alarm.state_after(ages) == "OK"
    # The value on its event an hour later.
    assert alarm.state_after([ages[-1] + 3_600_000]) == "ALARM"


def test_only_repeated_drift_raises_the_alarm(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=1_200)
    moving = {"path_prefix": "/api/transactions/", "page": 2, "link": link_id}
    belvo.set_faults({"match": moving, "fault": {"wrong_count": -1}})
    alarm = AlarmCopy(deployment, "DriftAlarm")

    deployment.post(webhook(link_id))
    [first] = wait_for_lines(deployment, 1, link_id=link_id, message=WORKED_ON, check="drift")
    assert (first["drift"], alarm.own([first])) == (1, [])
    deployment.post(webhook(link_id))

    both = wait_for_lines(deployment, 2, link_id=link_id, message=WORKED_ON, check="drift")
    assert alarm.own(both) == [1]
    assert alarm.state_after(alarm.own(both)) == "ALARM"


def test_runs_that_end_early_raise_the_alarms_of_the_schedule(
    deployment: Deployment, belvo: Control
):
    belvo.clear_faults()
    healthy = run_the_schedule(deployment)
    belvo.set_faults({"match": {"path_prefix": "/api/links/"}, "fault": {"status": 500}})
    without_belvo = run_the_schedule(deployment)
    belvo.clear_faults()
    with deployment.environment("ReconcileFunctionName", "QUEUE_URL", deployment.outputs["QueueUrl"] + "-none"):
        # Due messages cannot be enqueued: five failures in a row end a run.
        for _ in range(5):
            belvo.create_link(id=new_link_id(), accounts=1, transactions=1, access_mode="recurrent")
        ended_early = run_the_schedule(deployment)
    assert ended_early["message"] == "a run ended early"

    stopped, failing = MathAlarm(deployment, "ReconcileStoppedAlarm"), AlarmCopy(deployment, "ReconcileFailingAlarm")
    assert stopped.own([healthy]) == stopped.own([without_belvo]) == {"runs": 1}
    assert stopped.own([ended_early]) == {}, "no datapoint, which is the breach"
    assert stopped.rings(stopped.own([ended_early]))
    assert not stopped.rings(stopped.own([healthy]))
    assert failing.own([healthy]) == []
    assert failing.state_after(failing.own([without_belvo]) + failing.own([ended_early])) == "ALARM"


def run_the_schedule(deployment: Deployment) -> dict:
    """Invokes the reconcile function. Returns its event."""
    before = len([line for line in lines(deployment) if line.get("target") == "reconcile" and "links" in line])
    name = deployment.outputs["ReconcileFunctionName"]
    deployment.aws.client("lambda").invoke(FunctionName=name, Payload=b"{}")

    def runs() -> list[dict]:
        return [line for line in lines(deployment) if line.get("target") == "reconcile" and "links" in line]

    wait_until(lambda: len(runs()) > before, "the event of a run")
    return max(runs(), key=lambda line: line["timestamp"])


def test_a_message_in_the_dead_letter_queue_raises_the_alarm(deployment: Deployment, belvo: Control):
    alarm = AlarmCopy(deployment, "DeadLetterAlarm")
    deployment.dead_letters()
    assert alarm.state_after([deployment.depth("DeadLetterQueueUrl")]) == "OK"
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=5)
    belvo.set_faults({"match": {"path_prefix": "/api/", "link": link_id}, "fault": {"status": 500}})

    deployment.post(webhook(link_id))

    depth = wait_until(lambda: deployment.depth("DeadLetterQueueUrl"), "a dead letter")
    assert alarm.state_after([depth]) == "ALARM"
    assert alarm.dimensions == {("QueueName", deployment.outputs["DeadLetterQueueUrl"].rpartition("/")[2])}
    deployment.dead_letters()


def test_responses_with_5xx_raise_the_alarm(deployment: Deployment):
    alarm = AlarmCopy(deployment, "FrontDoorErrorAlarm")
    # No server listens there.
    with deployment.environment("WebhookFunctionName", "AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9"):
        status = deployment.post(webhook(new_link_id(), "HOROSCOPES", "unheard_of")).status_code
    assert status == 503
    # API Gateway counts one such response.
    assert alarm.state_after([0]) == "OK"
    assert alarm.state_after([1]) == "ALARM"
    api_id = deployment.webhook_url.split("/execute-api/")[1].partition("/")[0]
    assert alarm.dimensions == {("ApiId", api_id)}


# The alarm, a setting that prevents the start of its function, and the number of crashes below the threshold.
CRASHES = {
    "WebhookErrorAlarm": ("WebhookFunctionName", "SECRET_GRACE_HOURS", 0),
    "SyncErrorAlarm": ("SyncFunctionName", "RETRY_BASE_SECONDS", 2),
}


@pytest.mark.parametrize("name", CRASHES)
def test_a_crashing_function_raises_the_alarm(deployment: Deployment, name: str):
    output, setting, tolerated = CRASHES[name]
    alarm = AlarmCopy(deployment, name)
    assert alarm.dimensions == {("FunctionName", deployment.outputs[output])}
    before = lambda_counted(deployment, "Errors", output)

    with deployment.environment(output, setting, "no number"):
        for _ in range(tolerated + 1):
            assert "FunctionError" in invoke(deployment, output)

    assert lambda_counted(deployment, "Errors", output) == before + tolerated + 1
    assert alarm.state_after([tolerated]) == "OK"
    assert alarm.state_after([1]) == "ALARM"


@pytest.mark.parametrize("name", ["Webhook", "Sync"])
def test_a_throttled_function_raises_the_alarm(deployment: Deployment, name: str):
    output, functions = f"{name}FunctionName", deployment.aws.client("lambda")
    alarm = AlarmCopy(deployment, f"{name}ThrottleAlarm")
    assert alarm.dimensions == {("FunctionName", deployment.outputs[output])}
    before = lambda_counted(deployment, "Throttles", output)

    functions.put_function_concurrency(FunctionName=deployment.outputs[output], ReservedConcurrentExecutions=0)
    try:
        with pytest.raises(functions.exceptions.TooManyRequestsException):
            functions.invoke(FunctionName=deployment.outputs[output], Payload=b"{}")
    finally:
        functions.delete_function_concurrency(FunctionName=deployment.outputs[output])

    throttled = lambda_counted(deployment, "Throttles", output) - before
    assert alarm.state_after([0]) == "OK"
    assert alarm.state_after([throttled]) == "ALARM"


def invoke(deployment: Deployment, output: str) -> dict:
    """Invokes the function directly: the local AWS counts the errors of such invocations."""
    return deployment.aws.client("lambda").invoke(FunctionName=deployment.outputs[output], Payload=b"{}")


def lambda_counted(deployment: Deployment, metric: str, output: str) -> float:
    statistics = deployment.aws.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda", MetricName=metric, Period=60, Statistics=["Sum"],
        Dimensions=[{"Name": "FunctionName", "Value": deployment.outputs[output]}],
        StartTime=time.time() - 60 * 60, EndTime=time.time() + 60,
    )  # fmt: skip
    return sum(point["Sum"] for point in statistics["Datapoints"])


# Metrics whose cause would take hours here: the last healthy value, and the first breach.
THRESHOLDS = {"OldestMessageAlarm": (3_600, 3_601), "ContinuationLimitAlarm": (0, 1)}


@pytest.mark.parametrize("name", THRESHOLDS)
def test_a_value_beyond_the_threshold_raises_the_alarm(deployment: Deployment, name: str):
    healthy, too_much = THRESHOLDS[name]
    assert AlarmCopy(deployment, name).state_after([healthy]) == "OK"
    assert AlarmCopy(deployment, name).state_after([too_much]) == "ALARM"


def test_the_dashboard_exists_and_shows_the_alarms_of_this_stack(deployment: Deployment):
    client = deployment.aws.client("cloudwatch")
    body = json.loads(client.get_dashboard(DashboardName=deployment.outputs["DashboardName"])["DashboardBody"])
    shown = body["widgets"][0]["properties"]["alarms"]
    alarms = {alarm["AlarmArn"]: alarm for alarm in client.describe_alarms()["MetricAlarms"]}
    assert set(shown) == alarms.keys()
    series = json.dumps(body)
    assert deployment.settings.stack_name in series and "${AWS" not in series, "all references are resolved"


def test_every_alarm_is_tested_here(deployment: Deployment):
    alarms = deployment.aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    provoked = {
        "RefusedCredentialsAlarm", "BelvoUnauthorizedAlarm", "DriftAlarm", "ReconcileFailingAlarm", "DeadLetterAlarm",
        "FrontDoorErrorAlarm", "WebhookErrorAlarm", "SyncErrorAlarm", "WebhookThrottleAlarm", "SyncThrottleAlarm",
        "FailingMessageAlarm",
    }  # fmt: skip
    # tests/template tests the throttling of the table, which the local AWS does not have.
    on_metric_math = {"NothingAcceptedAlarm", "ReconcileStoppedAlarm", "TableThrottleAlarm"}
    names = [alarm["AlarmName"] for alarm in alarms]
    deployed = provoked | THRESHOLDS.keys()
    assert len(names) == len(deployed)
    assert all(any(each in name for name in names) for each in deployed)
    assert alarms_of(read()).keys() == deployed | on_metric_math
