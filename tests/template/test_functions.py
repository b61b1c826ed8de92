"""What the functions are deployed with, as CloudFormation gets it from SAM."""

from template import FUNCTION, of_type, read, transformed

TEMPLATE = transformed(read())
FUNCTIONS = dict(of_type(TEMPLATE["Resources"], FUNCTION))


def test_lambda_does_not_stop_the_sync_function_for_sending_to_its_own_queue_and_stops_every_other_function():
    """A long listing goes round through the queue more than the 16 times that Lambda's recursive loop detection allows."""
    allowed = [name for name, function in FUNCTIONS.items() if function["Properties"].get("RecursiveLoop") == "Allow"]
    assert allowed == ["SyncFunction"]


def test_the_sync_function_can_send_to_the_dead_letter_queue_and_do_nothing_else_with_it():
    variables = FUNCTIONS["SyncFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["DEAD_LETTER_QUEUE_URL"] == {"Ref": "DeadLetterQueue"}
    [policy] = TEMPLATE["Resources"]["SyncRole"]["Properties"]["Policies"]
    dead_letters = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    statements = [each for each in policy["PolicyDocument"]["Statement"] if each["Resource"] == dead_letters]
    assert [each["Action"] for each in statements] == ["sqs:SendMessage"]
